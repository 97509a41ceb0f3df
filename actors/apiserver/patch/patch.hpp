// The three ways to patch JSON: RFC 6902 operations, RFC 7386 merge, Kubernetes' strategic merge. Pure; what fails
// leaves a sentence for the client. The values given are consumed.
#pragma once
#include <string>

#include "actors/model/schema/schema.hpp"
#include "basis/json.hpp"

namespace troupe::apiserver {

inline constexpr std::size_t json_patch_operations_max = 10'000;
/// Bytes that `copy` operations may add up to, as upstream: a short patch must not grow without end.
inline constexpr std::size_t json_patch_copied_bytes_max = 3 * 1024 * 1024;

/// Applies a list of operations to `target`. invalid: it is no patch; too_large: over a limit; conflict: a path is
/// missing or a test failed. `target` is of no use after a failure.
result<void> apply_json_patch(json& target, const json& patch);

/// null deletes, objects merge, everything else replaces.
void apply_merge_patch(json& target, json patch);

/// Merges by the strategies of the schema, with $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
/// invalid: a directive or an element is malformed.
result<void> apply_strategic_patch(json& target, json patch, const model::schema::message& as);

}  // namespace troupe::apiserver
