#include "actors/apiserver/status.hpp"

namespace troupe::apiserver {
namespace {

std::string in_quotes(std::string_view text) { return to_text(json(text)); }

/// How Go prints the value of an invalid field: texts quoted, the rest as JSON.
std::string shown(const json& value) { return value.is_null() ? "null" : to_text(value); }

json details_of(const schema::kind& kind, std::string_view name) {
  json out = {{"kind", kind.plural}};
  if (!name.empty()) out["name"] = name;
  if (!kind.group.empty()) out["group"] = kind.group;
  return out;
}

std::string about(const schema::kind& kind, std::string_view name) {
  return kind.qualified().append(" ").append(in_quotes(name));
}

json causes_json(const std::vector<cause>& causes) {
  json out = json::array();
  for (const auto& each : causes) {
    json one = {{"reason", each.reason}, {"message", each.message}};
    if (!each.field.empty()) one["field"] = each.field;
    out.push_back(std::move(one));
  }
  return out;
}

/// Go's aggregate of field errors: one alone, several in brackets, repeats once.
std::string causes_text(const std::vector<cause>& causes) {
  std::vector<std::string> lines;
  for (const auto& each : causes) {
    auto line = each.field.empty() ? each.message : each.field + ": " + each.message;
    bool seen = false;
    for (const auto& other : lines) seen = seen || other == line;
    if (!seen) lines.push_back(std::move(line));
  }
  if (lines.size() == 1) return lines[0];
  std::string out = "[";
  for (const auto& line : lines) out.append(out.size() > 1 ? ", " : "").append(line);
  return out += "]";
}

api_error make(int code, std::string reason, std::string message, json details = {}, int retry_after_s = 0) {
  if (retry_after_s > 0) details["retryAfterSeconds"] = retry_after_s;
  api_error out;
  out.code = code;
  out.reason = std::move(reason);
  out.message = std::move(message);
  out.details = std::move(details);
  out.retry_after_s = retry_after_s;
  return out;
}

}  // namespace

cause required_value(std::string field, std::string detail) {
  return {"FieldValueRequired", detail.empty() ? "Required value" : "Required value: " + detail, std::move(field)};
}
cause invalid_value(std::string field, const json& value, std::string detail) {
  return {"FieldValueInvalid", "Invalid value: " + shown(value) + ": " + detail, std::move(field)};
}
cause not_supported(std::string field, const json& value, const std::vector<std::string>& allowed) {
  std::string list;
  for (const auto& each : allowed) list.append(list.empty() ? "" : ", ").append(in_quotes(each));
  return {"FieldValueNotSupported", "Unsupported value: " + shown(value) + ": supported values: " + list,
          std::move(field)};
}
cause duplicate_value(std::string field, const json& value) {
  return {"FieldValueDuplicate", "Duplicate value: " + shown(value), std::move(field)};
}
cause forbidden_value(std::string field, std::string detail) {
  return {"FieldValueForbidden", "Forbidden: " + detail, std::move(field)};
}
cause too_long_value(std::string field, std::string detail) {
  return {"FieldValueTooLong", "Too long: " + detail, std::move(field)};
}
cause too_many_values(std::string field, std::size_t actual, std::size_t allowed) {
  return {"FieldValueTooMany",
          "Too many: " + std::to_string(actual) + ": must have at most " + std::to_string(allowed) + " items",
          std::move(field)};
}
cause type_invalid(std::string field, const json& value, std::string detail) {
  return {"FieldValueTypeInvalid", "Invalid value: " + shown(value) + ": " + detail, std::move(field)};
}

api_error bad_request(std::string message) { return make(400, "BadRequest", std::move(message)); }
api_error unauthorized() { return make(401, "Unauthorized", "Unauthorized"); }

api_error forbidden(const schema::kind& kind, std::string_view name, std::string_view why) {
  auto message = name.empty() ? kind.qualified() : about(kind, name);
  return make(403, "Forbidden", message.append(" is forbidden: ").append(why), details_of(kind, name));
}

api_error forbidden_path(std::string_view user, std::string_view verb, std::string_view path) {
  return make(403, "Forbidden",
              "forbidden: User " + in_quotes(user) + " cannot " + std::string(verb) + " path " + in_quotes(path),
              json::object());
}

api_error namespace_terminating(const schema::kind& kind, std::string_view name, std::string_view ns) {
  auto out = forbidden(
      kind, name, "unable to create new content in namespace " + std::string(ns) + " because it is being terminated");
  out.details["causes"] = causes_json(
      {{"NamespaceTerminating", "namespace " + std::string(ns) + " is being terminated", "metadata.namespace"}});
  return out;
}

api_error not_found(const schema::kind& kind, std::string_view name) {
  return make(404, "NotFound", about(kind, name) + " not found", details_of(kind, name));
}
api_error namespace_not_found(std::string_view ns) {
  return make(404, "NotFound", "namespaces " + in_quotes(ns) + " not found", {{"kind", "namespaces"}, {"name", ns}});
}
api_error no_such_path() {
  return make(404, "NotFound", "the server could not find the requested resource", json::object());
}

api_error method_not_allowed(std::string_view, std::string_view) {
  return make(405, "MethodNotAllowed", "the server does not allow this method on the requested resource",
              json::object());
}

api_error not_acceptable() {
  return make(406, "NotAcceptable",
              "only the following media types are accepted: application/json, application/yaml, "
              "application/vnd.kubernetes.protobuf");
}

api_error already_exists(const schema::kind& kind, std::string_view name) {
  return make(409, "AlreadyExists", about(kind, name) + " already exists", details_of(kind, name));
}

api_error conflict(const schema::kind& kind, std::string_view name, std::string_view why) {
  if (why.empty())
    why = "the object has been modified; please apply your changes to the latest version and try again";
  return make(409, "Conflict", "Operation cannot be fulfilled on " + about(kind, name) + ": " + std::string(why),
              details_of(kind, name));
}

api_error generated_name_conflict(const schema::kind& kind, std::string_view generate_name) {
  return make(409, "AlreadyExists",
              about(kind, generate_name) +
                  " already exists, the server was not able to generate a unique name for the object",
              details_of(kind, generate_name), 1);
}

api_error expired(std::string message) { return make(410, "Expired", std::move(message)); }
api_error too_old_version(std::int64_t asked, std::int64_t oldest) {
  return expired("too old resource version: " + std::to_string(asked) + " (" + std::to_string(oldest) + ")");
}

api_error too_large(std::string message) {
  return make(413, "RequestEntityTooLarge", "Request entity is too large: " + message);
}

api_error unsupported_media_type(std::string_view, const std::vector<std::string>& accepted) {
  std::string list;
  for (const auto& each : accepted) list.append(list.empty() ? "" : ", ").append(each);
  return make(415, "UnsupportedMediaType",
              "the body of the request was in an unknown format - accepted media types include: " + list);
}

api_error invalid(const schema::kind& kind, std::string_view name, const std::vector<cause>& causes) {
  std::string title(kind.name);
  if (!kind.group.empty()) title.append(".").append(kind.group);
  json details = {{"kind", kind.name}, {"causes", causes_json(causes)}};
  if (!name.empty()) details["name"] = name;
  if (!kind.group.empty()) details["group"] = kind.group;
  return make(422, "Invalid", title + " " + in_quotes(name) + " is invalid: " + causes_text(causes),
              std::move(details));
}

api_error invalid_options(std::string_view options_kind, const std::vector<cause>& causes) {
  return make(422, "Invalid", std::string(options_kind) + ".meta.k8s.io \"\" is invalid: " + causes_text(causes),
              {{"kind", options_kind}, {"group", "meta.k8s.io"}, {"causes", causes_json(causes)}});
}

api_error unprocessable_patch(std::string message) {
  return make(422, "Invalid", "the server rejected our request due to an error in our request: " + message,
              json::object());
}

api_error too_many_requests(std::string message, int retry_after_s) {
  return make(429, "TooManyRequests", std::move(message), json::object(), retry_after_s);
}

api_error internal_error(std::string_view what) {
  return make(500, "InternalError", "Internal error occurred: " + std::string(what),
              {{"causes", json::array({{{"message", what}}})}});
}

api_error insufficient_storage(std::string message) { return make(507, "InsufficientStorage", std::move(message)); }
api_error unavailable(std::string message, int retry_after_s) {
  return make(503, "ServiceUnavailable", std::move(message), json::object(), retry_after_s);
}

api_error timeout(std::string message, int retry_after_s) {
  return make(504, "Timeout", "Timeout: " + message, json::object(), retry_after_s);
}

api_error too_large_version(std::int64_t asked, std::int64_t current) {
  auto out =
      timeout("Too large resource version: " + std::to_string(asked) + ", current: " + std::to_string(current), 1);
  out.details["causes"] = causes_json({{"ResourceVersionTooLarge", "Too large resource version", ""}});
  return out;
}

api_error from_error(const error& why, const schema::kind& kind, std::string_view name) {
  switch (why.code) {
    case errc::conflict: return conflict(kind, name);
    case errc::not_found: return not_found(kind, name);
    case errc::already_exists: return already_exists(kind, name);
    case errc::invalid: return bad_request(why.note);
    case errc::unauthorized: return unauthorized();
    case errc::forbidden: return forbidden(kind, name, why.note);
    case errc::gone:
      return expired(why.note.empty() ? "The resourceVersion for the provided request is too old." : why.note);
    case errc::too_large: return too_large(why.note);
    case errc::overloaded: return too_many_requests("the server is overloaded, please try again later", 1);
    case errc::unavailable:
    case errc::closed:
    case errc::refused: return unavailable("the datastore is not available: " + why.text());
    case errc::outcome_unknown:
      return timeout("whether the write happened is not known; read before writing again" + (why.note.empty() ? "" : ": " + why.note));
    case errc::timeout: return timeout("request did not complete within requested timeout", 1);
    case errc::untrusted:
    case errc::corrupt:
    case errc::unsupported:
    case errc::internal: return internal_error(why.text());
  }
  return internal_error(why.text());
}

std::string status_json(const api_error& why) {
  json out = {{"kind", "Status"},        {"apiVersion", "v1"},    {"metadata", why.metadata},
              {"status", "Failure"},     {"message", why.message}, {"reason", why.reason},
              {"code", why.code}};
  if (!why.details.is_null()) out["details"] = why.details;
  return to_text(out);
}

std::string deleted_json(const schema::kind& kind, std::string_view name, std::string_view uid) {
  auto details = details_of(kind, name);
  if (!uid.empty()) details["uid"] = uid;
  return to_text({{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"status", "Success"},
                  {"details", std::move(details)}});
}

}  // namespace troupe::apiserver
