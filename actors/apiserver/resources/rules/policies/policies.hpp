// What the files of policies/ share: the kinds of storage and the like are checked in storage.cpp. Pure.
#pragma once
#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver::rules {

/// PersistentVolume, PersistentVolumeClaim, StorageClass, RuntimeClass, LimitRange, ResourceQuota; false when it is none of them.
bool check_storage(const schema::kind& kind, const json& object, causes& out);
void check_storage_change(const schema::kind& kind, const json& old, const json& now, causes& out);

}  // namespace troupe::apiserver::rules
