// DaemonSets: one pod on every node that may have one; the present template by rolling or on deletion; past templates are kept
// as ControllerRevisions, for undo. Pure.
#pragma once
#include "actors/controllers/workshop/plan.hpp"

namespace troupe::controllers {

plan decide_daemon_set(const store& all, const std::string& key, const moment& at);

/// Whether a pod of the set belongs on the node, and may go on running there.
struct daemon_place { bool should_run = false, may_stay = false; };
daemon_place daemon_fits(const json& set, const json& node);

}  // namespace troupe::controllers
