#include "actors/apiserver/carrying/pod_paths.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::apiserver;

namespace {

json pod_of(std::string_view more = R"("containers":[{"name":"web","ports":[{"name":"http","containerPort":8080}]}])", std::string_view phase = "Running",
            std::string_view node = "n1") {
  return *parse_json(R"({"metadata":{"name":"p","namespace":"ns"},"spec":{"nodeName":")" + std::string(node) + "\"," + std::string(more) +
                     R"(},"status":{"phase":")" + std::string(phase) + R"(","podIP":"10.42.0.7"}})");
}
std::string told(std::string_view what, std::string_view query, const json& pod) {
  const auto method = what == "log" ? "GET" : "POST";
  const auto routed = route(method, "/api/v1/namespaces/ns/pods/p/" + std::string(what), query);
  const auto& asked = std::get<target>(routed);
  REQUIRE(is_carried_to_kubelet(asked));
  const auto got = ask_kubelet(asked, pod);
  if (const auto* no = std::get_if<api_error>(&got)) return std::to_string(no->code) + " " + no->message;
  const auto& yes = std::get<kubelet_ask>(got);
  return yes.node + " " + yes.path + (yes.upgrade ? " upgrade" : "");
}

}  // namespace

TEST_CASE("logs and streams are asked of the pod's kubelet under its own names for them") {
  const auto pod = pod_of();
  CHECK(told("log", "follow=true&tailLines=5&container=web&pretty=1", pod) == "n1 /containerLogs/ns/p/web?follow=true&tailLines=5");
  CHECK(told("log", "", pod) == "n1 /containerLogs/ns/p/web");
  CHECK(told("exec", "command=sh&command=-c&command=a%20b&stdin=True&stdout=1&tty=false&stderr=true", pod) ==
        "n1 /exec/ns/p/web?command=sh&command=-c&command=a%20b&input=1&output=1&error=1 upgrade");
  CHECK(told("attach", "stdin=true&tty=true&stdout=true", pod) == "n1 /attach/ns/p/web?input=1&output=1&tty=1 upgrade");
  CHECK(told("portforward", "", pod) == "n1 /portForward/ns/p upgrade");
}

TEST_CASE("what cannot be carried is refused in upstream's words") {
  const auto two = pod_of(R"("initContainers":[{"name":"prepare"}],"containers":[{"name":"a"},{"name":"b"}])");
  CHECK(told("log", "", two) == "400 a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [prepare]");
  CHECK(told("log", "container=prepare", two) == "n1 /containerLogs/ns/p/prepare");
  CHECK(told("log", "container=zzz", two) == "400 container zzz is not valid for pod p");
  CHECK(told("exec", "stdout=1", pod_of()) == "400 you must specify a command for the container");
  CHECK(told("exec", "command=ls", pod_of()) == "400 you must specify at least one of stdin, stdout, stderr");
  CHECK(told("exec", "command=ls&stdout=1", pod_of(R"("containers":[{"name":"a"}])", "Succeeded")) ==
        "400 cannot exec into a container in a completed pod; current phase is Succeeded");
  CHECK(told("log", "", pod_of(R"("containers":[{"name":"a"}])", "Pending", "")) == "400 pod p does not have a host assigned");
  CHECK(told("portforward", "", pod_of(R"("containers":[{"name":"a"}])", "Pending", "")) == "400 pod p does not have a host assigned");
  CHECK(told("log", "tailLines=x", pod_of()).starts_with("400 unable to decode query: tailLines must be a number"));
  CHECK(told("log", "limitBytes=0", pod_of()).starts_with("422 PodLogOptions"));
  CHECK(told("log", "sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z", pod_of()).starts_with("422 "));
}

TEST_CASE("a pod's port is found by number, by name, or is its first one") {
  const auto at = [](std::string_view name) {
    const auto got = find_pod_port(*split_proxy_name(name), pod_of());
    if (const auto* no = std::get_if<api_error>(&got)) return std::to_string(no->code) + " " + no->message;
    return std::get<pod_address>(got).address;
  };
  CHECK(at("p") == "10.42.0.7:8080");
  CHECK(at("p:9090") == "10.42.0.7:9090");
  CHECK(at("p:http") == "10.42.0.7:8080");
  CHECK(at("http:p:http") == "10.42.0.7:8080");
  CHECK(at("p:nothing") == "400 no port \"nothing\" in pod p");
  CHECK(at("p:70000") == "400 no port \"70000\" in pod p");
}

TEST_CASE("behind a Service's port its pods take turns") {
  json service{{"metadata", {{"name", "web"}}}, {"spec", {{"ports", json::array({{{"name", "http"}, {"port", 80}}, {{"name", "admin"}, {"port", 81}}})}}}};
  const auto subset = [](const char* name, int port, std::initializer_list<const char*> ips) {
    json out{{"ports", json::array({{{"name", name}, {"port", port}}})}, {"addresses", json::array()}};
    for (const char* ip : ips) out["addresses"].push_back({{"ip", ip}, {"nodeName", std::string("node-of-").append(ip)}});
    return out;
  };
  json endpoints{{"subsets", json::array({subset("http", 8080, {"10.42.0.1", "10.42.1.1"}), subset("admin", 9090, {"10.42.0.1"})})}};
  std::size_t turn = 0;
  const auto at = [&](std::string_view name) {
    const auto got = find_service_port(*split_proxy_name(name), service, endpoints, turn++);
    if (const auto* no = std::get_if<api_error>(&got)) return std::to_string(no->code) + " " + no->message;
    const auto& to = std::get<pod_address>(got);
    return to.node + " " + (to.tls ? "https " : "") + to.address;
  };
  CHECK(at("web:80") == "node-of-10.42.0.1 10.42.0.1:8080");
  CHECK(at("web:http") == "node-of-10.42.1.1 10.42.1.1:8080");
  CHECK(at("https:web:admin") == "node-of-10.42.0.1 https 10.42.0.1:9090");
  CHECK(at("web:82") == "503 no service port 82 found for service \"web\"");
  CHECK(at("web:nothing") == "503 no endpoints available for service \"web\"");
  CHECK(at("web") == "503 no endpoints available for service \"web\"");   // which of the two?
  service["spec"]["ports"].erase(1);
  turn = 0;
  CHECK(at("web") == "node-of-10.42.0.1 10.42.0.1:8080");
  CHECK(at("https:web:") == "node-of-10.42.1.1 https 10.42.1.1:8080");
  endpoints["subsets"][0]["addresses"] = json::array({{{"ip", "192.0.2.1"}}});
  CHECK(at("web").starts_with("503 the endpoint 192.0.2.1:8080 of service \"web\" is on no node"));
  endpoints = json();
  CHECK(at("web") == "503 no endpoints available for service \"web\"");
}
