#include "actors/apiserver/wire/decode.hpp"

#include <algorithm>

#include "actors/apiserver/wire/protobuf.hpp"
#include "actors/apiserver/wire/strict_json.hpp"
#include "actors/model/document.hpp"
#include "basis/yaml.hpp"

namespace troupe::apiserver {
namespace {

/// What a body must be: the kind itself, or the kind of a subresource's body.
struct expectation {
  std::string api_version, kind;
  const schema::message* message = nullptr;
};

struct raw_body {
  json object;
  std::vector<std::string> duplicates;
};

const std::vector<std::string>& body_types() {
  static const std::vector<std::string> all{"application/json", "application/yaml",
                                            "application/vnd.kubernetes.protobuf"};
  return all;
}

expectation expected_body(const schema::kind& kind, std::string_view subresource) {
  expectation out{std::string(kind.api_version), std::string(kind.name), &schema::message_at(kind.message)};
  const auto* sub = subresource.empty() ? nullptr : kind.find_subresource(subresource);
  if (!sub) return out;
  out.api_version = std::string(sub->group).append(sub->group.empty() ? "" : "/").append(sub->version);
  out.kind = sub->kind;
  out.message = sub->message == 0xffff ? nullptr : &schema::message_at(sub->message);
  return out;
}

std::variant<raw_body, api_error> from_protobuf(std::string_view body, const schema::message& as) {
  auto opened = open_envelope(body);
  if (!opened) return bad_request("couldn't decode protobuf body: " + opened.why().note);
  auto object = decode_message(opened->raw, as);
  if (!object) return bad_request("couldn't decode protobuf body: " + object.why().note);
  raw_body out{std::move(*object), {}};
  if (!opened->api_version.empty()) out.object["apiVersion"] = opened->api_version;
  if (!opened->kind.empty()) out.object["kind"] = opened->kind;
  return out;
}

std::variant<raw_body, api_error> from_text(std::string_view type, std::string_view body, std::string_view expected) {
  raw_body out;
  auto parsed = type == "application/yaml" ? parse_yaml(body) : parse_json_strictly(body, out.duplicates);
  if (!parsed)
    return bad_request("the object provided is unrecognized (must be of type " + std::string(expected) +
                       "): couldn't get version/kind; json parse error: " + parsed.why().note);
  if (!parsed->is_object())
    return bad_request("the object provided is unrecognized (must be of type " + std::string(expected) +
                       "): couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type "
                       "struct");
  out.object = std::move(*parsed);
  return out;
}

std::variant<raw_body, api_error> read_body(std::string_view content_type, std::string_view body,
                                            const schema::message& as, std::string_view expected) {
  if (body.size() > request_body_bytes_max)
    return too_large("limit is " + std::to_string(request_body_bytes_max));
  auto type = media_type(content_type);
  if (type.empty()) type = "application/json";
  if (type == "application/vnd.kubernetes.protobuf") return from_protobuf(body, as);
  if (type != "application/json" && type != "application/yaml") return unsupported_media_type(type, body_types());
  return from_text(type, body, expected);
}

/// Compares or sets apiVersion and kind.
std::optional<api_error> settle_type(json& object, const expectation& want) {
  for (auto key : {"apiVersion", "kind"})
    if (auto found = object.find(key); found != object.end() && !found->is_string() && !found->is_null())
      return bad_request("couldn't get version/kind; json parse error: json: cannot unmarshal into Go struct field ." +
                         std::string(key) + " of type string");
  auto version = text_or(dig(object, "apiVersion")), kind = text_or(dig(object, "kind"));
  if (!kind.empty() && kind != want.kind)
    return bad_request(kind + " in version " + to_text(json(version)) + " cannot be handled as a " + want.kind +
                       ": the kind in the data (" + kind + ") does not match the expected kind (" + want.kind + ")");
  if (!version.empty() && version != want.api_version)
    return bad_request("the API version in the data (" + version + ") does not match the expected API version (" +
                       want.api_version + ")");
  object["apiVersion"] = want.api_version;
  object["kind"] = want.kind;
  return std::nullopt;
}

std::string version_part(std::string_view api_version) {
  return std::string(api_version.substr(api_version.rfind('/') + 1));
}

std::string cannot_handle(const expectation& want, const std::string& why) {
  return want.kind + " in version " + to_text(json(version_part(want.api_version))) + " cannot be handled as a " +
         want.kind + ": " + why;
}

}  // namespace

std::vector<std::string> field_notes(const std::vector<std::string>& unknown,
                                     const std::vector<std::string>& duplicates) {
  std::vector<std::string> notes;
  for (const auto& path : unknown) notes.push_back("unknown field \"" + path + "\"");
  for (const auto& path : duplicates) notes.push_back("duplicate field \"" + path + "\"");
  return notes;
}

std::string strict_fault(const std::vector<std::string>& notes) {
  std::string out = "strict decoding error: ";
  for (std::size_t i = 0; i < notes.size(); ++i) out.append(i ? ", " : "").append(notes[i]);
  return out;
}

std::variant<decoded, api_error> decode_body(std::string_view content_type, std::string_view body,
                                             const schema::kind& kind, std::string_view subresource,
                                             field_validation mode) {
  auto want = expected_body(kind, subresource);
  if (!want.message) return method_not_allowed("", kind.plural);
  auto read = read_body(content_type, body, *want.message, want.kind);
  if (auto* why = std::get_if<api_error>(&read)) return std::move(*why);
  auto& raw = std::get<raw_body>(read);
  if (auto why = settle_type(raw.object, want)) return std::move(*why);
  std::vector<std::string> unknown;
  if (auto why = conform(raw.object, *want.message, unknown); !why.empty())
    return bad_request(cannot_handle(want, why));
  auto notes = field_notes(unknown, raw.duplicates);
  if (mode == field_validation::strict && !notes.empty()) return bad_request(cannot_handle(want, strict_fault(notes)));
  decoded out{std::move(raw.object), {}};
  if (mode == field_validation::warn) out.warnings = std::move(notes);
  if (want.kind == kind.name) model::rename_to_stored(out.object, kind);
  return out;
}

std::variant<json, api_error> decode_delete_options(std::string_view content_type, std::string_view body,
                                                    const options& query) {
  json out = json::object();
  if (body.empty()) {
    if (query.grace_s) out["gracePeriodSeconds"] = *query.grace_s;
    if (!query.propagation.empty()) out["propagationPolicy"] = query.propagation;
    if (query.orphan_dependents) out["orphanDependents"] = *query.orphan_dependents;
    if (query.dry_run) out["dryRun"] = json::array({"All"});
  } else {
    static const auto* as = schema::find_message("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions");
    auto read = read_body(content_type, body, *as, "DeleteOptions");
    if (auto* why = std::get_if<api_error>(&read)) return std::move(*why);
    out = std::move(std::get<raw_body>(read).object);
    auto kind = text_or(dig(out, "kind"));
    if (!kind.empty() && kind != "DeleteOptions")
      return bad_request("decoded object cannot be converted to DeleteOptions");
    std::vector<std::string> unknown;
    if (auto why = conform(out, *as, unknown); !why.empty()) return bad_request(why);
    if (query.dry_run) out["dryRun"] = json::array({"All"});
  }
  std::vector<cause> causes;
  for (const auto& each : dig(out, "dryRun"))
    if (each != "All") causes.push_back(not_supported("dryRun", dig(out, "dryRun"), {"All"}));
  auto policy = text_or(dig(out, "propagationPolicy"));
  if (!policy.empty() && out.contains("orphanDependents"))
    causes.push_back(invalid_value("propagationPolicy", policy,
                                   "orphanDependents and deletionPropagation cannot be both set"));
  if (!policy.empty() && policy != "Foreground" && policy != "Background" && policy != "Orphan")
    causes.push_back(not_supported("propagationPolicy", policy, {"Foreground", "Background", "Orphan", "nil"}));
  if (!causes.empty()) return invalid_options("DeleteOptions", causes);
  return out;
}

std::string media_type(std::string_view content_type) {
  auto type = content_type.substr(0, content_type.find(';'));
  auto first = type.find_first_not_of(" \t"), last = type.find_last_not_of(" \t");
  if (first == std::string_view::npos) return {};
  std::string out(type.substr(first, last - first + 1));
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

}  // namespace troupe::apiserver
