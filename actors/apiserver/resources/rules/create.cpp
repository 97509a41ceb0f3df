#include "actors/apiserver/resources/rules/parts.hpp"

namespace troupe::apiserver {
namespace {

constexpr std::size_t generated_prefix_max = 58;

/// Name and namespace as URL and body together say them.
std::optional<api_error> settle_place(const schema::kind& kind, json& metadata, const write_context& ctx) {
  auto ns = text_or(dig(metadata, "namespace"));
  if (!ns.empty() && ns != (kind.namespaced ? ctx.ns : std::string()))
    return bad_request("the namespace of the provided object does not match the namespace sent on the request");
  if (kind.namespaced) metadata["namespace"] = ctx.ns;
  auto name = text_or(dig(metadata, "name"));
  if (name.empty() && !ctx.name.empty()) metadata["name"] = ctx.name;
  else if (!ctx.name.empty() && name != ctx.name)
    return bad_request("the name of the object (" + name + ") does not match the name on the URL (" + ctx.name + ")");
  auto prefix = text_or(dig(metadata, "generateName"));
  if (text_or(dig(metadata, "name")).empty() && !prefix.empty())
    metadata["name"] = prefix.substr(0, generated_prefix_max) + ctx.name_suffix;
  return std::nullopt;
}

void settle_status(const schema::kind& kind, json& object) {
  if (kind.has_status && !kind.status_on_create) object.erase("status");
  if (auto status = rules::initial_status(kind); !status.is_null()) object["status"] = std::move(status);
  if (!kind.group.empty()) return;
  if (kind.name == "Namespace") object["status"] = {{"phase", "Active"}};
  if (kind.name == "Service") object["status"] = {{"loadBalancer", json::object()}};
  if (kind.name == "Pod") object["status"] = rules::initial_pod_status(object);
}

}  // namespace

std::variant<json, api_error> prepare_create(const schema::kind& served, json body, const write_context& ctx) {
  const auto& kind = schema::kinds()[served.storage];
  auto& metadata = rules::metadata_of(body);
  if (!text_or(dig(metadata, "resourceVersion")).empty())
    return bad_request("resourceVersion should not be set on objects to be created");
  if (auto why = settle_place(kind, metadata, ctx)) return std::move(*why);
  for (auto key : {"resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields",
                   "generation"})
    metadata.erase(key);
  metadata["uid"] = ctx.uid;
  metadata["creationTimestamp"] = to_rfc3339(ctx.now);
  if (kind.has_generation) metadata["generation"] = 1;
  body["apiVersion"] = kind.api_version;
  body["kind"] = kind.name;
  rules::fill_defaults(kind, body, true);
  rules::complete_creation(kind, body, ctx);
  settle_status(kind, body);
  rules::causes causes;
  rules::check_metadata(kind, body["metadata"], causes);
  rules::check_object(kind, body, causes);
  if (!causes.empty()) return invalid(kind, text_or(dig(body, "metadata", "name")), causes);
  return body;
}

}  // namespace troupe::apiserver
