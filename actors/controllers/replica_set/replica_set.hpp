// ReplicaSets and ReplicationControllers: as many pods as are wanted, of those that the selector means. Pure.
#pragma once
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

/// `plural` is "replicasets" or "replicationcontrollers". Adopts and releases, then makes or removes pods, then says how it is.
plan decide_replica_set(const store& all, const std::string& plural, const std::string& key, const moment& at);

}  // namespace troupe::controllers
