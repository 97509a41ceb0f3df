#include "actors/apiserver/carrying/pod_paths.hpp"

#include <algorithm>
#include <charconv>

#include "basis/clock.hpp"
#include "net/http/message.hpp"

namespace troupe::apiserver {
namespace {

using net::http::percent_encode;

std::vector<std::string> names_of(const json& containers) {
  std::vector<std::string> out;
  for (const auto& one : containers) out.push_back(text_or(dig(one, "name")));
  return out;
}
std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& one : names) out += (out.empty() ? "" : " ") + one;
  return out;
}
bool has(const std::vector<std::string>& names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

/// The container that is meant, or why none can be.
std::variant<std::string, api_error> choose_container(const json& pod, const std::string& wanted) {
  const auto main = names_of(dig(pod, "spec", "containers"));
  const auto init = names_of(dig(pod, "spec", "initContainers"));
  const auto guests = names_of(dig(pod, "spec", "ephemeralContainers"));
  const auto name = text_or(dig(pod, "metadata", "name"));
  if (!wanted.empty()) {
    if (has(main, wanted) || has(init, wanted) || has(guests, wanted)) return wanted;
    return bad_request("container " + wanted + " is not valid for pod " + name);
  }
  if (main.size() == 1) return main.front();
  if (main.empty()) return bad_request("a container name must be specified for pod " + name);
  std::string why = "a container name must be specified for pod " + name + ", choose one of: [" + joined(main) + "]";
  if (!init.empty()) why += " or one of the init containers: [" + joined(init) + "]";
  return bad_request(why);
}

std::string first(const query_pairs& query, std::string_view key) {
  const auto* found = find_pair(query, key);
  return found ? *found : std::string();
}
bool flag(const query_pairs& query, std::string_view key) { return parse_bool(first(query, key)).value_or(false); }

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t out = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// The log's options, checked as upstream checks PodLogOptions.
std::variant<std::string, api_error> log_query(const query_pairs& query) {
  std::string out;
  std::vector<cause> wrong;
  const auto add = [&out](std::string_view key, const std::string& value) {
    out += (out.empty() ? "?" : "&") + std::string(key) + "=" + percent_encode(value);
  };
  for (const char* key : {"follow", "previous", "timestamps"})
    if (const auto text = first(query, key); !text.empty()) {
      if (!parse_bool(text)) return bad_request("unable to decode query: " + std::string(key) + " must be true or false, not \"" + text + "\"");
      if (*parse_bool(text)) add(key, "true");
    }
  const auto counted = [&](const char* key, std::int64_t least, const char* rule) -> std::optional<api_error> {
    const auto text = first(query, key);
    if (text.empty()) return std::nullopt;
    const auto n = number(text);
    if (!n) return bad_request("unable to decode query: " + std::string(key) + " must be a number, not \"" + text + "\"");
    if (*n < least) wrong.push_back(invalid_value(key, json(*n), rule));
    add(key, text);
    return std::nullopt;
  };
  if (auto bad = counted("tailLines", 0, "must be greater than or equal to 0")) return *bad;
  if (auto bad = counted("limitBytes", 1, "must be greater than 0")) return *bad;
  if (auto bad = counted("sinceSeconds", 1, "must be greater than 0")) return *bad;
  if (const auto since = first(query, "sinceTime"); !since.empty()) {
    if (!first(query, "sinceSeconds").empty()) wrong.push_back(forbidden_value("", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
    if (!parse_rfc3339(since).ok()) return bad_request("unable to decode query: sinceTime must be a time as 2026-01-31T12:00:00Z, not \"" + since + "\"");
    add("sinceTime", since);
  }
  if (!wrong.empty()) return invalid_options("PodLogOptions", wrong);
  return out;
}

/// Names of the API's parameters, and of the kubelet's.
std::variant<std::string, api_error> stream_query(const query_pairs& query, bool exec) {
  std::string out;
  const auto add = [&out](std::string_view key, const std::string& value) {
    out += (out.empty() ? "?" : "&") + std::string(key) + "=" + percent_encode(value);
  };
  bool commanded = false, any = false;
  for (const auto& [key, value] : query)
    if (exec && key == "command") add("command", value), commanded = true;
  if (exec && !commanded) return bad_request("you must specify a command for the container");
  for (const auto& [api, kubelet] : {std::pair{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}})
    if (flag(query, api)) add(kubelet, "1"), any = true;
  if (!any) return bad_request("you must specify at least one of stdin, stdout, stderr");
  if (flag(query, "tty")) {
    if (flag(query, "stderr")) return bad_request("tty and stderr cannot both be true");
    add("tty", "1");
  }
  return out;
}

}  // namespace

bool is_carried_to_kubelet(const target& asked) {
  if (!asked.kind || asked.kind->plural != "pods" || !asked.kind->group.empty()) return false;
  return asked.subresource == "log" || asked.subresource == "exec" || asked.subresource == "attach" || asked.subresource == "portforward";
}

std::variant<kubelet_ask, api_error> ask_kubelet(const target& asked, const json& pod) {
  kubelet_ask out;
  out.node = text_or(dig(pod, "spec", "nodeName"));
  const auto name = text_or(dig(pod, "metadata", "name"));
  const auto at = "/" + asked.ns + "/" + name;
  if (asked.subresource == "portforward") {
    if (out.node.empty()) return bad_request("pod " + name + " does not have a host assigned");
    out.upgrade = true;
    out.path = "/portForward" + at;
    return out;
  }
  auto chosen = choose_container(pod, first(asked.query, "container"));
  if (auto* bad = std::get_if<api_error>(&chosen)) return *bad;
  const auto& container = std::get<std::string>(chosen);
  const bool log = asked.subresource == "log", exec = asked.subresource == "exec";
  auto query = log ? log_query(asked.query) : stream_query(asked.query, exec);
  if (auto* bad = std::get_if<api_error>(&query)) return *bad;
  if (out.node.empty()) return bad_request("pod " + name + " does not have a host assigned");
  const auto phase = text_or(dig(pod, "status", "phase"));
  if (!log && (phase == "Succeeded" || phase == "Failed"))
    return bad_request("cannot " + std::string(exec ? "exec into" : "attach to") + " a container in a completed pod; current phase is " + phase);
  out.upgrade = !log;
  out.path = (log ? "/containerLogs" : exec ? "/exec" : "/attach") + at + "/" + container + std::get<std::string>(query);
  return out;
}

std::variant<pod_address, api_error> find_pod_port(const proxy_name& named, const json& pod) {
  pod_address out;
  out.node = text_or(dig(pod, "spec", "nodeName"));
  out.tls = named.scheme == "https";
  const auto ip = text_or(dig(pod, "status", "podIP"));
  const auto name = text_or(dig(pod, "metadata", "name"));
  if (ip.empty()) return unavailable("pod " + name + " has no address yet", 0);
  auto port = named.port;
  for (const auto& container : dig(pod, "spec", "containers"))
    for (const auto& one : dig(container, "ports")) {
      const auto& n = dig(one, "containerPort");
      if (!n.is_number_integer()) continue;
      if (port.empty() || (!number(port) && text_or(dig(one, "name")) == port)) port = std::to_string(n.get<std::int64_t>());
    }
  if (port.empty()) port = "80";
  const auto n = number(port);
  if (!n || *n < 1 || *n > 65535) return bad_request("no port \"" + port + "\" in pod " + name);
  out.address = (ip.find(':') != std::string::npos ? "[" + ip + "]" : ip) + ":" + port;
  return out;
}

std::variant<pod_address, api_error> find_service_port(const proxy_name& named, const json& service, const json& endpoints, std::size_t turn) {
  const auto name = text_or(dig(service, "metadata", "name"));
  const auto& ports = dig(service, "spec", "ports");
  auto wanted = named.port;
  if (const auto n = number(wanted)) {
    const auto found = std::find_if(ports.begin(), ports.end(), [&](const json& one) { return dig(one, "port") == json(*n); });
    if (found == ports.end()) return unavailable("no service port " + wanted + " found for service \"" + name + "\"", 0);
    wanted = text_or(dig(*found, "name"));
  } else if (wanted.empty() && ports.size() == 1) {
    wanted = text_or(dig(ports[0], "name"));
  }
  std::vector<pod_address> all;
  for (const auto& subset : dig(endpoints, "subsets"))
    for (const auto& port : dig(subset, "ports"))
      if (text_or(dig(port, "name")) == wanted && text_or(dig(port, "protocol"), "TCP") == "TCP" && dig(port, "port").is_number_integer())
        for (const auto& one : dig(subset, "addresses")) {
          const auto ip = text_or(dig(one, "ip"));
          all.push_back({text_or(dig(one, "nodeName")), (ip.find(':') != std::string::npos ? "[" + ip + "]" : ip) + ":" + std::to_string(port["port"].get<std::int64_t>()),
                         named.scheme == "https"});
        }
  if (all.empty()) return unavailable("no endpoints available for service \"" + name + "\"", 0);
  const auto& out = all[turn % all.size()];
  if (out.node.empty()) return unavailable("the endpoint " + out.address + " of service \"" + name + "\" is on no node of this cluster", 0);
  return out;
}

}  // namespace troupe::apiserver
