// What the API answers when it says no, in upstream's words, and the short "Success" of a delete. The only place
// that knows HTTP codes. Pure.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/model/schema/schema.hpp"
#include "basis/json.hpp"

namespace troupe::apiserver {

namespace schema = model::schema;

struct api_error {
  int code = 500;
  std::string reason, message;
  json details;            ///< An object, or null.
  int retry_after_s = 0;   ///< 0: no Retry-After header.
  json metadata = json::object();  ///< Of the Status: carries `continue` after an expired page.
};

/// One reason why an object is invalid; `reason` is "FieldValueRequired" ..., `message` without the field.
struct cause {
  std::string reason, message, field;
};
cause required_value(std::string field, std::string detail = {});
cause invalid_value(std::string field, const json& value, std::string detail);
cause not_supported(std::string field, const json& value, const std::vector<std::string>& allowed);
cause duplicate_value(std::string field, const json& value);
cause forbidden_value(std::string field, std::string detail);
cause too_long_value(std::string field, std::string detail);
cause too_many_values(std::string field, std::size_t actual, std::size_t allowed);
cause type_invalid(std::string field, const json& value, std::string detail);

api_error bad_request(std::string message);                                     // 400
api_error unauthorized();                                                       // 401
/// `pods "p" is forbidden: why`
api_error forbidden(const schema::kind& kind, std::string_view name, std::string_view why);  // 403
/// `forbidden: User "u" cannot get path "/x"`
api_error forbidden_path(std::string_view user, std::string_view verb, std::string_view path);
/// A creation inside a namespace that is going away.
api_error namespace_terminating(const schema::kind& kind, std::string_view name, std::string_view ns);
api_error not_found(const schema::kind& kind, std::string_view name);           // 404
api_error namespace_not_found(std::string_view ns);
/// `the server could not find the requested resource`
api_error no_such_path();
api_error method_not_allowed(std::string_view verb, std::string_view resource); // 405
api_error not_acceptable();                                                     // 406
api_error already_exists(const schema::kind& kind, std::string_view name);      // 409
/// `Operation cannot be fulfilled on R "x": why`; without `why`: the object has been modified ...
api_error conflict(const schema::kind& kind, std::string_view name, std::string_view why = {});
/// A generated name was taken every time.
api_error generated_name_conflict(const schema::kind& kind, std::string_view generate_name);
api_error expired(std::string message);                                         // 410
/// `too old resource version: A (B)`
api_error too_old_version(std::int64_t asked, std::int64_t oldest);
api_error too_large(std::string message);                                       // 413
api_error unsupported_media_type(std::string_view given, const std::vector<std::string>& accepted);  // 415
api_error invalid(const schema::kind& kind, std::string_view name, const std::vector<cause>& causes);  // 422
/// 422 about query parameters or options: `ListOptions.meta.k8s.io "" is invalid: ...`
api_error invalid_options(std::string_view options_kind, const std::vector<cause>& causes);
api_error unprocessable_patch(std::string message);                             // 422
api_error too_many_requests(std::string message, int retry_after_s);            // 429
api_error internal_error(std::string_view what);                                // 500
/// Nothing can be stored before somebody makes room. Without Retry-After: that takes hands, or time.
api_error insufficient_storage(std::string message);                            // 507
api_error unavailable(std::string message, int retry_after_s = 1);              // 503
api_error timeout(std::string message, int retry_after_s = 0);                  // 504
/// `Timeout: Too large resource version: N, current: M`
api_error too_large_version(std::int64_t asked, std::int64_t current);
/// Any error of ours (storage, ports) as the API says it.
api_error from_error(const error& why, const schema::kind& kind, std::string_view name);

/// What an object must pass before it is stored, and may be completed by; null: nothing. Called on another thread: it holds values.
using admission = std::function<std::optional<api_error>(json& object)>;

/// The Status object in JSON, one line.
std::string status_json(const api_error& why);
/// The Status that answers a finished delete.
std::string deleted_json(const schema::kind& kind, std::string_view name, std::string_view uid);
/// 201 for a creation, else 200.
constexpr int success_code(bool created) { return created ? 201 : 200; }

}  // namespace troupe::apiserver
