// Which objects a node may see because a pod that is bound to it refers to them. Pure.
#pragma once
#include <string_view>

#include "actors/model/snapshot.hpp"

namespace troupe::apiserver {

/// As node_relation of authorizer.hpp asks, answered from the pods there are.
bool node_uses(const model::snapshot& pods, std::string_view node, std::string_view plural, std::string_view ns,
               std::string_view name);

}  // namespace troupe::apiserver
