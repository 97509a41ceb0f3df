// Fetches what a pod refers to, all at once; see pod/sources.hpp.
#pragma once
#include <functional>

#include "actors/client/messages.hpp"
#include "actors/kubelet/pod/sources.hpp"
#include "actors/runtime/errors.hpp"

namespace troupe::kubelet {

/// What need not be asked for: tokens that are good for a while, and Services when no container is to be made.
struct fetch_saving {
  std::map<token_need, std::string> tokens;
  bool services = true;
};
/// `then` runs once, on the asking actor: with what exists (a 404 is an answer), or why not all could be asked.
template <class Self>
void fetch_sources(Self* self, const client::api_actor& api, duration limit, const json& pod, const fetch_saving& saving, std::function<void(result<pod_sources>)> then) {
  struct progress {
    pod_sources got;
    std::size_t left = 1;
    std::optional<error> failed;
    std::function<void(result<pod_sources>)> then;
    void settle() {
      if (--left == 0) failed ? then(*failed) : then(std::move(got));
    }
  };
  auto at = std::make_shared<progress>();
  at->then = std::move(then);
  const auto ask = [&](client::api_call call, const std::string& what, std::function<void(json&)> take) {
    ++at->left;
    self->request(api, limit, std::move(call))
        .then([at, take, what](const client::api_answer& answer) {
          auto body = parse_json(answer.body);
          if (answer.ok() && body.ok()) take(*body);
          else if (answer.status != 404) at->failed = fail(errc::unavailable, "failed to fetch " + what + ": " + (body.ok() ? text_or(dig(*body, "message"), "HTTP " + std::to_string(answer.status)) : "HTTP " + std::to_string(answer.status)));
          at->settle();
        }, [at, what](caf::error& why) {
          at->failed = fail(errc::unavailable, "failed to fetch " + what + ": " + rt::reason(why).text());
          at->settle();
        });
  };
  const auto needs = needs_of(pod);
  const auto ns = text_or(dig(pod, "metadata", "namespace")), base = "/api/v1/namespaces/" + ns;
  const auto get = [](std::string path) { return client::api_call{"GET", std::move(path), "", "application/json", "", {}}; };
  for (const auto& name : needs.config_maps) ask(get(base + "/configmaps/" + name), "configmap " + name, [at, name](json& got) { at->got.config_maps[name] = std::move(got); });
  for (const auto& name : needs.secrets) ask(get(base + "/secrets/" + name), "secret " + name, [at, name](json& got) { at->got.secrets[name] = std::move(got); });
  const auto account = text_or(dig(pod, "spec", "serviceAccountName"), "default");
  for (const auto& need : needs.tokens) {
    if (const auto known = saving.tokens.find(need); known != saving.tokens.end()) {
      at->got.tokens[need] = known->second;
      continue;
    }
    json spec{{"expirationSeconds", need.seconds}, {"boundObjectRef", {{"kind", "Pod"}, {"apiVersion", "v1"}, {"name", dig(pod, "metadata", "name")}, {"uid", dig(pod, "metadata", "uid")}}}};
    if (!need.audience.empty()) spec["audiences"] = json::array({need.audience});
    const json body{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"metadata", json::object()}, {"spec", std::move(spec)}};
    ask({"POST", base + "/serviceaccounts/" + account + "/token", to_text(body), "application/json", "", {}}, "token",
        [at, need](json& got) {
          at->got.tokens[need] = text_or(dig(got, "status", "token"));
          at->got.granted[need] = std::move(got);
        });
  }
  const auto add = [at](json& list) {
    for (auto& one : list["items"]) at->got.services.push_back(std::move(one));
  };
  at->got.knows_services = saving.services;
  if (!saving.services) return at->settle();
  if (needs.services) ask(get(base + "/services"), "services", add);
  if (ns != "default" || !needs.services) ask(get("/api/v1/namespaces/default/services/kubernetes"), "services", [at](json& got) { at->got.services.push_back(std::move(got)); });
  at->settle();
}

}  // namespace troupe::kubelet
