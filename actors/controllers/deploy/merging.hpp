// What to change of an object so that it becomes what a manifest says, and no more. Pure.
#pragma once
#include "basis/json.hpp"

namespace troupe::controllers {

/// A JSON merge patch, empty when nothing is to be done. `before` is what the manifest said last (null: not known), `wanted` what it
/// says now, `present` what there is. What the manifest no longer names goes, what it never named stays; a list changes as a whole,
/// and only when the manifest's own list did: what a server adds to its elements is no difference.
json merge_patch(const json& before, const json& wanted, const json& present);

}  // namespace troupe::controllers
