// Pods, sandboxes and instances in few words, for tests of what is decided about them.
#pragma once
#include "actors/kubelet/pod/plan.hpp"

namespace troupe::kubelet::parts {

inline const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z");

inline std::shared_ptr<const json> make_pod(const std::string& spec) {
  json out{{"metadata", {{"name", "p"}, {"namespace", "ns"}, {"uid", "u1"}}}, {"spec", *parse_json(spec)}};
  return std::make_shared<const json>(std::move(out));
}
inline net::cri::sandbox box(const std::string& id, std::uint32_t attempt, bool ready = true) {
  net::cri::sandbox out;
  out.id = id, out.attempt = attempt, out.ready = ready;
  if (ready) out.addresses = {"10.42.0.5"};
  return out;
}
inline net::cri::container instance(const std::string& name, const std::string& id, std::uint32_t attempt, const std::string& in, net::cri::container_state state) {
  net::cri::container out;
  out.id = id, out.name = name, out.attempt = attempt, out.sandbox_id = in, out.state = state;
  out.created_at = out.started_at = noon - 60s;
  return out;
}
inline net::cri::container ended(const std::string& name, const std::string& id, std::uint32_t attempt, const std::string& in, int code) {
  auto out = instance(name, id, attempt, in, net::cri::container_state::exited);
  out.exit_code = code;
  out.finished_at = noon - 30s;
  out.reason = code == 0 ? "Completed" : "Error";
  return out;
}

/// An action in words.
inline std::string words(const action& of) {
  struct visitor {
    std::string operator()(const prepare_volumes&) const { return "volumes"; }
    std::string operator()(const start_sandbox& a) const { return "start sandbox " + std::to_string(a.attempt); }
    std::string operator()(const end_sandbox& a) const { return "end sandbox " + a.id; }
    std::string operator()(const drop_sandbox& a) const { return "drop sandbox " + a.id; }
    std::string operator()(const fetch_image& a) const { return "image of " + a.container; }
    std::string operator()(const make_container& a) const { return "make " + a.container + " " + std::to_string(a.attempt) + " in " + a.sandbox; }
    std::string operator()(const begin_container& a) const { return "begin " + a.id; }
    std::string operator()(const end_container& a) const { return "end " + a.id; }
    std::string operator()(const drop_container& a) const { return "drop " + a.id; }
    std::string operator()(const fail_pod& a) const { return "fail " + a.why.reason; }
    std::string operator()(const pod_gone&) const { return "gone"; }
  };
  return std::visit(visitor{}, of);
}

}  // namespace troupe::kubelet::parts
