// What a write means before it is stored: create, update, patch, delete of any kind. Pure decisions: time, identity
// and chance are handed in; the caller commits what comes back at the revision it read, and decides about conflicts.
//
// Flow of a create:  decode_body -> prepare_create -> (Service: plan_allocation, allocate) -> to_text -> commit.
// Flow of an update: decode_body or apply_patch -> prepare_update -> (allocation) -> unchanged? erase? else commit.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/apiserver/router.hpp"
#include "actors/apiserver/status.hpp"
#include "basis/clock.hpp"

namespace troupe::apiserver {

/// Namespaces that are made at the first start and cannot be deleted.
inline constexpr std::string_view immortal_namespaces[] = {"default", "kube-system", "kube-public"};

struct write_context {
  wall_time now{};
  std::string uid;          ///< Fresh UUID for an object to be created.
  std::string name_suffix;  ///< Five characters of generate_name_alphabet, for generateName.
  std::string user;
  std::vector<std::string> groups;
  std::string ns, name;     ///< Of the URL; name "" on a collection.
  std::string subresource;
  std::string field_manager;
  bool dry_run = false;
  field_validation validation = field_validation::warn;
  /// Somebody takes the finalizers foregroundDeletion and orphan away again. Without one they are not added, because
  /// an object would stay for ever: every delete is then a background one.
  bool garbage_collector = false;
};
inline constexpr std::string_view generate_name_alphabet = "bcdfghjklmnpqrstvwxz2456789";

/// Checks and completes an object to be created: name, namespace, uid, creationTimestamp, generation, status
/// stripped, defaults, validation. What comes back has no resourceVersion and is what is stored: to_text(object).
std::variant<json, api_error> prepare_create(const schema::kind& kind, json body, const write_context& ctx);

struct prepared {
  json object;             ///< To be stored: without resourceVersion.
  bool unchanged = false;  ///< Nothing to store: answer the present document.
  bool erase = false;      ///< The last finalizer of a deleted object is gone: erase it instead.
  std::vector<std::string> warnings;
};
/// `old` is the published object with its resourceVersion, which is compared with the one in `body` (409). The caller
/// commits at the revision of `old`.
std::variant<prepared, api_error> prepare_update(const schema::kind& kind, const json& old, json body,
                                                 std::string_view subresource, const write_context& ctx);

/// The patched object, not yet checked as an update: hand it to prepare_update. `old` as published; a resourceVersion
/// in the patch becomes the object's and so the precondition: after a conflict in the store, patch the fresh object
/// again; a patch that carries a resourceVersion then fails by itself. Server-side apply answers 415 for now.
std::variant<prepared, api_error> apply_patch(const schema::kind& kind, std::string_view content_type, const json& old,
                                              std::string_view body, const write_context& ctx);
/// What a DELETE comes to.
struct erase_now {
  bool answer_object = false;
};
struct update_first {
  json object;  ///< To be stored: deletionTimestamp, grace, finalizers.
};
struct already_deleting {};  ///< Nothing changes: answer the present object.
using deletion = std::variant<erase_now, update_first, already_deleting, api_error>;
/// `wanted` from decode_delete_options. `old` as published.
deletion plan_delete(const schema::kind& kind, const json& old, const json& wanted, const write_context& ctx);
/// What a client should know of its DELETE.
std::vector<std::string> warnings_of_delete(const schema::kind& kind, const json& wanted);

}  // namespace troupe::apiserver
