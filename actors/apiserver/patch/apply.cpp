// From a PATCH request's body to the object it asks for.
#include <optional>

#include "actors/apiserver/patch/patch.hpp"
#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/apiserver/wire/decode.hpp"
#include "actors/apiserver/wire/strict_json.hpp"
#include "actors/model/document.hpp"

namespace troupe::apiserver {
namespace {

constexpr std::string_view json_patch_type = "application/json-patch+json";
constexpr std::string_view merge_patch_type = "application/merge-patch+json";
constexpr std::string_view strategic_patch_type = "application/strategic-merge-patch+json";

/// 422 of an object that the patch makes unreadable.
api_error unreadable(std::string_view body, const std::string& why) {
  constexpr std::size_t shown_max = 2048;
  api_error out = unprocessable_patch("");
  auto problem = invalid_value("patch", body.substr(0, shown_max), why);
  out.message = " \"\" is invalid: patch: " + problem.message;
  out.details = {
      {"causes", json::array({{{"reason", problem.reason}, {"message", problem.message}, {"field", "patch"}}})}};
  return out;
}

std::optional<api_error> patched(json& object, std::string_view type, json patch, const schema::message& as) {
  result<void> done;
  if (type == json_patch_type) done = apply_json_patch(object, patch);
  else if (type == strategic_patch_type) done = apply_strategic_patch(object, std::move(patch), as);
  else apply_merge_patch(object, std::move(patch));
  if (done) return std::nullopt;
  if (done.code() == errc::too_large) return too_large(done.why().note);
  if (done.code() == errc::invalid) return bad_request(done.why().note);
  return unprocessable_patch(done.why().note);
}

/// What is patched: `message` and type of the object as clients see it, and the kind that stores it.
struct patch_form {
  const schema::kind* kind;
  const schema::message* message;
  std::string_view name, api_version;
};

std::variant<prepared, api_error> apply_to(const patch_form& form, std::string_view content_type, const json& old, std::string_view body,
                                           const write_context& ctx) {
  auto type = media_type(content_type);
  if (type != json_patch_type && type != merge_patch_type && type != strategic_patch_type)
    return unsupported_media_type(type, {std::string(json_patch_type), std::string(merge_patch_type),
                                         std::string(strategic_patch_type)});
  if (body.size() > request_body_bytes_max) return too_large("limit is " + std::to_string(request_body_bytes_max));
  std::vector<std::string> duplicates, unknown;
  auto patch = parse_json_strictly(body, duplicates);
  if (!patch) return bad_request("error decoding patch: " + patch.why().note);
  if (type != json_patch_type && !patch->is_object())
    return bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}");
  const auto& message = *form.message;
  prepared out;
  out.object = old;
  if (form.kind) model::rename_from_stored(out.object, *form.kind);
  if (auto why = patched(out.object, type, std::move(*patch), message)) return std::move(*why);
  if (auto why = conform(out.object, message, unknown); !why.empty()) return unreadable(body, why);
  auto notes = field_notes(unknown, duplicates);
  if (ctx.validation == field_validation::strict && !notes.empty()) return unreadable(body, strict_fault(notes));
  if (ctx.validation == field_validation::warn) out.warnings = std::move(notes);
  if (dig(out.object, "kind") != form.name || dig(out.object, "apiVersion") != form.api_version)
    return bad_request("the patch may not change apiVersion or kind");
  if (form.kind) model::rename_to_stored(out.object, *form.kind);
  // A patch is applied to the present object: unless it says otherwise, that is its precondition.
  auto& metadata = out.object["metadata"];
  if (!metadata.is_object()) metadata = json::object();
  if (!metadata.contains("resourceVersion") && dig(old, "metadata").contains("resourceVersion"))
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"];
  return out;
}

}  // namespace

std::variant<prepared, api_error> apply_patch(const schema::kind& kind, std::string_view content_type, const json& old,
                                              std::string_view body, const write_context& ctx) {
  return apply_to({&kind, &schema::message_at(kind.message), kind.name, kind.api_version}, content_type, old, body, ctx);
}

std::variant<prepared, api_error> patch_scale(std::string_view content_type, const json& old, std::string_view body, const write_context& ctx) {
  static const auto* message = schema::find_message("io.k8s.api.autoscaling.v1.Scale");
  auto out = apply_to({nullptr, message, "Scale", "autoscaling/v1"}, content_type, scale_of(old), body, ctx);
  return out;
}

}  // namespace troupe::apiserver
