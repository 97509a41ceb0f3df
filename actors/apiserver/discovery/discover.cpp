#include <algorithm>

#include "actors/apiserver/discovery/parts.hpp"

namespace troupe::apiserver {
namespace {

using namespace discovery;

constexpr std::string_view json_type = "application/json";
constexpr std::string_view proto_v2_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The least document that kubectl 1.27 and 1.28 accept before they turn to /openapi/v3: swagger "2.0" and an info
/// with a title and a version.
constexpr std::string_view minimal_v2("\x0a\x03" "2.0" "\x12\x0e\x0a\x04" "K8ss" "\x12\x06" "unvers", 21);

using reply = std::variant<discovery_reply, api_error>;

discovery_reply text(std::string body, std::string_view type = json_type) {
  discovery_reply out;
  out.body = std::move(body);
  out.content_type = type;
  return out;
}

reply text_or_404(std::string body) {
  if (body.empty()) return no_such_path();
  return text(std::move(body));
}

/// Splits "/apis/apps/v1" into its parts.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto part = path.substr(0, path.find('/'));
    if (!part.empty()) out.push_back(part);
    path.remove_prefix(part.size());
  }
  return out;
}

reply openapi_v2(std::string_view accept) {
  if (accept.find("proto-openapi.spec.v2") != std::string_view::npos)
    return text(std::string(minimal_v2), proto_v2_type);
  return text(to_text(
      {{"swagger", "2.0"}, {"info", {{"title", "Kubernetes"}, {"version", "v1.33.0"}}}, {"paths", json::object()}}));
}

std::string document_url(const group_version& of) {
  return "/openapi/v3/" + of.path() + "?hash=" + std::string(schema::digest());
}

reply openapi_v3(const target& asked) {
  constexpr std::string_view root = "/openapi/v3";
  if (asked.path == root) {
    json paths = json::object();
    for (const auto& each : served_versions()) paths[each.path()] = {{"serverRelativeURL", document_url(each)}};
    return text(to_text({{"paths", std::move(paths)}}));
  }
  for (const auto& each : served_versions()) {
    if (asked.path != std::string(root) + "/" + each.path()) continue;
    const auto* hash = find_pair(asked.query, "hash");
    if (hash && *hash != schema::digest()) {
      discovery_reply out;
      out.redirect_to = document_url(each);
      return out;
    }
    auto out = text(openapi_document(each));
    out.etag = "\"" + std::string(schema::digest()) + "\"";
    out.immutable = hash != nullptr;
    return out;
  }
  return no_such_path();
}

std::string root_paths() {
  json paths =
      json::array({"/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"});
  for (const auto& each : served_versions()) {
    paths.push_back(std::string("/").append(each.path()));
    if (!each.group.empty()) paths.push_back("/apis/" + std::string(each.group));
  }
  std::sort(paths.begin(), paths.end());
  return to_text({{"paths", std::move(paths)}});
}

reply legacy(const std::vector<std::string_view>& parts) {
  if (parts[0] == "api") return text_or_404(parts.size() == 2 ? legacy_resources({"", parts[1]}) : std::string());
  if (parts.size() == 2) return text_or_404(legacy_group(parts[1]));
  return text_or_404(parts.size() == 3 ? legacy_resources({parts[1], parts[2]}) : std::string());
}

}  // namespace

bool is_discovery_path(std::string_view path) {
  for (auto exact : {"/", "/api", "/apis", "/version", "/openapi/v2", "/openapi/v3", "/swagger-2.0.0.pb-v1"})
    if (path == exact) return true;
  return path.starts_with("/api/") || path.starts_with("/apis/") || path.starts_with("/openapi/v3/");
}

reply discover(const target& asked, std::string_view accept, const build_facts& facts) {
  if (!is_discovery_path(asked.path)) return no_such_path();
  if (asked.method != "GET" && asked.method != "HEAD") return method_not_allowed(asked.method, asked.path);
  if (asked.path == "/") return text(root_paths());
  if (asked.path == "/version") return text(version_json(facts));
  if (asked.path == "/openapi/v2") return openapi_v2(accept);
  if (asked.path == "/swagger-2.0.0.pb-v1") return text(std::string(minimal_v2), proto_v2_type);
  if (asked.path.starts_with("/openapi/v3")) return openapi_v3(asked);
  auto parts = parts_of(asked.path);
  if (parts.size() > 1) return legacy(parts);
  auto form = negotiate_discovery(accept);
  bool core = asked.path == "/api";
  if (form == discovery_form::legacy) return text(core ? legacy_core(facts) : legacy_groups());
  return text(aggregated(core, form), content_type(form));
}

std::string version_json(const build_facts& facts) {
  return to_text({{"major", "1"}, {"minor", "33"}, {"gitVersion", facts.git_version}, {"gitCommit", ""},
                  {"gitTreeState", "clean"}, {"buildDate", facts.build_date}, {"goVersion", ""}, {"compiler", "g++"},
                  {"platform", facts.platform}});
}

}  // namespace troupe::apiserver
