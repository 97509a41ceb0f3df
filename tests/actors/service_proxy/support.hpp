// Services and slices for tests of the proxy.
#pragma once
#include "actors/service_proxy/rules.hpp"

namespace troupe::testing {

struct backend_of {
  std::string address;
  std::string node = "n1";
  bool ready = true, serving = true, terminating = false;
};

inline json service_json(const std::string& ip = "10.43.0.7", json more = json::object(), json ports = json::array({{{"port", 80}, {"protocol", "TCP"}}})) {
  json out{{"metadata", {{"name", "web"}, {"namespace", "d"}}}, {"spec", {{"type", "ClusterIP"}, {"clusterIP", ip}, {"clusterIPs", json::array({ip})}, {"ports", std::move(ports)}}}};
  out.merge_patch(more);
  return out;
}
inline std::shared_ptr<const json> slice_json(const std::vector<backend_of>& of, int port = 8080, const std::string& protocol = "TCP", const std::string& name = "") {
  json out{{"addressType", "IPv4"}, {"metadata", {{"namespace", "d"}, {"labels", {{"kubernetes.io/service-name", "web"}}}}},
           {"ports", json::array({{{"name", name}, {"port", port}, {"protocol", protocol}}})}, {"endpoints", json::array()}};
  for (const auto& b : of)
    out["endpoints"].push_back({{"addresses", json::array({b.address})}, {"nodeName", b.node},
                                {"conditions", {{"ready", b.ready}, {"serving", b.serving}, {"terminating", b.terminating}}}});
  return std::make_shared<const json>(std::move(out));
}

}  // namespace troupe::testing
