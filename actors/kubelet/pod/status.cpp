#include "actors/kubelet/pod/status.hpp"

#include "actors/model/quantity.hpp"

namespace troupe::kubelet {
namespace {

using state = port::container_state;

bool has_ended(const port::container& c) { return c.state == state::exited || c.state == state::unknown; }

const container_memory& of(const pod_memory& memory, const std::string& container) {
  static const container_memory fresh;
  const auto found = memory.containers.find(container);
  return found == memory.containers.end() ? fresh : found->second;
}
const port::sandbox* ready_box(const port::pod_view& seen) {
  for (const auto& box : seen.sandboxes)
    if (box.ready) return &box;
  return nullptr;
}

class describer {
 public:
  describer(const pod_wish& wish, const port::pod_view& seen, const pod_memory& memory, const host_facts& host, wall_time now)
      : wish_(wish), seen_(seen), memory_(memory), host_(host), now_(now), initialized_(is_initialized(wish, seen, memory)) {}

  json status() {
    json main = json::array(), init = json::array(), guests = json::array();
    for (const auto& c : wish_.containers) (c.as == role::main ? main : c.as == role::guest ? guests : init).push_back(container(c));
    const auto phase = phase_of();
    json out{{"phase", phase}, {"conditions", conditions(phase)}, {"containerStatuses", std::move(main)}, {"qosClass", wish_.quality}};
    if (!init.empty()) out["initContainerStatuses"] = std::move(init);
    if (!guests.empty()) out["ephemeralContainerStatuses"] = std::move(guests);
    const auto& began = dig(host_.present, "startTime");
    out["startTime"] = began.is_string() ? text_or(began) : to_rfc3339(now_);
    if (memory_.failure) out["reason"] = memory_.failure->reason, out["message"] = memory_.failure->message;
    addresses(out);
    return out;
  }

 private:
  void addresses(json& out) const {
    if (!host_.addresses.empty()) {
      out["hostIP"] = host_.addresses.front();
      out["hostIPs"] = json::array();
      for (const auto& a : host_.addresses) out["hostIPs"].push_back({{"ip", a}});
    }
    const auto* box = ready_box(seen_);
    const auto& own = wish_.host_network ? host_.addresses : box ? box->addresses : std::vector<std::string>();
    if (own.empty() || !box) return;
    out["podIP"] = own.front();
    out["podIPs"] = json::array();
    for (const auto& a : own) out["podIPs"].push_back({{"ip", a}});
  }

  json ended(const port::container& c) const {
    json out{{"exitCode", c.exit_code}, {"reason", c.reason.empty() ? (c.exit_code == 0 ? "Completed" : "Error") : c.reason},
             {"startedAt", to_rfc3339(c.started_at)}, {"finishedAt", to_rfc3339(c.finished_at)}, {"containerID", "containerd://" + c.id}};
    const auto said = host_.termination_messages.find(c.id);
    if (said != host_.termination_messages.end() && !said->second.empty()) out["message"] = said->second;
    else if (!c.message.empty()) out["message"] = c.message;
    return {{"terminated", std::move(out)}};
  }
  static json waiting(const std::string& reason, const std::string& message = {}) {
    json out{{"reason", reason}};
    if (!message.empty()) out["message"] = message;
    return {{"waiting", std::move(out)}};
  }

  /// state and lastState. `is_last` is set when what ended last stands in lastState.
  json state_of(const container_wish& c, const port::container* last) const {
    const auto& known = of(memory_, c.name);
    if (last && last->state == state::running) return {{"running", {{"startedAt", to_rfc3339(last->started_at)}}}};
    const bool ending = wish_.deleted || memory_.failure || wish_.finished;
    if (last && has_ended(*last)) {
      const bool again = !ending && is_restarted(wish_, c, *last);
      if (again && !known.reason.empty()) return waiting(known.reason, known.message);
      const bool starting = newest(seen_, c.name)->state == state::created;   // it waits no more
      if (const auto due = again && !starting ? restart_due(known, *last, now_) : std::nullopt)
        return waiting("CrashLoopBackOff", "back-off " + spelled(known.restart_delay) + " restarting failed container=" + c.name + " pod=" + full_name(wish_));
      return ended(*last);
    }
    if (!known.reason.empty()) return waiting(known.reason, known.message);
    const bool later = c.as == role::main && !initialized_;
    return waiting(later || (c.as != role::main && c.as != role::guest && !ready_box(seen_) && has_init()) ? "PodInitializing" : "ContainerCreating");
  }
  bool has_init() const { return !wish_.containers.empty() && wish_.containers.front().as != role::main; }
  static std::string spelled(duration of) {
    const auto s = of / std::chrono::seconds(1);
    return s % 60 == 0 && s >= 60 ? std::to_string(s / 60) + "m0s" : s > 60 ? std::to_string(s / 60) + "m" + std::to_string(s % 60) + "s" : std::to_string(s) + "s";
  }

  json container(const container_wish& c) const {
    const port::container* last = nullptr;
    const port::container* before = nullptr;
    for (const auto& one : seen_.containers) {
      if (one.name != c.name || one.state == state::created) continue;
      if (!last) last = &one;
      else if (!before && has_ended(one)) before = &one;
    }
    const auto& known = of(memory_, c.name);
    json now = state_of(c, last);
    const bool waits = now.contains("waiting");
    json out{{"name", c.name}, {"image", c.image}, {"imageID", last ? last->image_ref : ""}, {"ready", is_ready(c, last)},
             {"started", last && last->state == state::running && known.started}, {"restartCount", last ? last->attempt : c.restarts_known},
             {"state", std::move(now)}, {"lastState", json::object()}};
    if (last) out["containerID"] = "containerd://" + last->id;
    if (waits && last && has_ended(*last)) out["lastState"] = ended(*last);
    else if (before) out["lastState"] = ended(*before);
    if (!last) keep_what_was(c, out);
    return out;
  }

  /// What the runtime has forgotten (its containers were removed) the pod's object still knows.
  void keep_what_was(const container_wish& c, json& out) const {
    for (const char* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
      for (const auto& one : dig(host_.present, list)) {
        if (text_or(dig(one, "name")) != c.name || !c.ran_before) continue;
        if (c.as == role::guest || wish_.finished || wish_.deleted || memory_.failure) out = one, out["ready"] = false, out["started"] = false;
      }
  }

  bool is_ready(const container_wish& c, const port::container* last) const {
    if (!last || c.as == role::guest) return false;
    if (c.as == role::init) return last->state == state::exited && last->exit_code == 0;
    return last->state == state::running && of(memory_, c.name).ready;
  }

  // --- the whole ----------------------------------------------------------------------------------

  std::string phase_of() const {
    const auto present = text_or(dig(host_.present, "phase"));
    if (wish_.finished || present == "Succeeded" || present == "Failed") return present;   // an end is final
    bool any = false, running = false, failed = false, all = true;
    for (const auto& c : seen_.containers) running = running || (c.state == state::running && !is_guest(c.name));
    if (memory_.failure) return running ? (present.empty() ? "Pending" : present) : "Failed";
    for (const auto& c : wish_.containers) {
      if (c.as != role::main) continue;
      const auto* last = newest_begun(c.name);
      any = any || last;
      all = all && (last || c.ran_before);
      if (last && has_ended(*last) && last->exit_code != 0) failed = true;
    }
    const bool complete = is_complete(wish_, seen_);
    if (!running && (wish_.deleted || complete)) {
      if (complete && !initialized_) return "Failed";
      return any && !failed ? "Succeeded" : "Failed";
    }
    // Once every main container has run it is Running, also while some of them wait for their next start.
    return (initialized_ && any && all) || present == "Running" ? "Running" : "Pending";
  }
  bool is_guest(const std::string& name) const {
    const auto* c = wish_.find(name);
    return c && c->as == role::guest;
  }
  const port::container* newest_begun(const std::string& name) const {
    for (const auto& c : seen_.containers)
      if (c.name == name && c.state != state::created) return &c;
    return nullptr;
  }

  json condition(const char* type, bool holds, const std::string& reason = {}, const std::string& message = {}) const {
    json out{{"type", type}, {"status", holds ? "True" : "False"}, {"lastProbeTime", nullptr}, {"lastTransitionTime", to_rfc3339(now_)},
             {"reason", reason.empty() ? json(nullptr) : json(reason)}, {"message", message.empty() ? json(nullptr) : json(message)}};
    for (const auto& was : dig(host_.present, "conditions"))
      if (text_or(dig(was, "type")) == type && dig(was, "status") == out["status"] && dig(was, "lastTransitionTime").is_string())
        out["lastTransitionTime"] = dig(was, "lastTransitionTime");
    return out;
  }

  json conditions(const std::string& phase) const {
    std::string unready, incomplete;
    for (const auto& c : wish_.containers) {
      if (c.as == role::guest) continue;
      const auto* last = newest(seen_, c.name);
      const bool counts = c.as != role::init;
      if (counts && !is_ready(c, last)) unready += (unready.empty() ? "" : " ") + c.name;
      const bool done = c.as == role::init ? is_ready(c, last) : last && last->state == state::running && of(memory_, c.name).started;
      if (c.as != role::main && !done) incomplete += (incomplete.empty() ? "" : " ") + c.name;
    }
    json out = json::array();
    out.push_back(condition("PodReadyToStartContainers", ready_box(seen_) != nullptr));
    if (initialized_ || phase == "Succeeded") out.push_back(condition("Initialized", true, phase == "Succeeded" ? "PodCompleted" : ""));
    else out.push_back(condition("Initialized", false, "ContainersNotInitialized", "containers with incomplete status: [" + incomplete + "]"));
    const bool over = phase == "Succeeded" || phase == "Failed";
    const std::string reason = phase == "Succeeded" ? "PodCompleted" : phase == "Failed" ? "PodFailed" : "ContainersNotReady";
    const bool all = unready.empty() && !over;
    const std::string message = over ? "" : "containers with unready status: [" + unready + "]";
    const auto gate = all ? failing_gate() : std::string();
    out.push_back(gate.empty() ? condition("Ready", all, all ? "" : reason, all ? "" : message) : condition("Ready", false, "ReadinessGatesNotReady", gate));
    out.push_back(condition("ContainersReady", all, all ? "" : reason, all ? "" : message));
    out.push_back(condition("PodScheduled", true));
    return out;
  }
  std::string failing_gate() const {
    for (const auto& type : wish_.gates) {
      bool holds = false;
      for (const auto& c : dig(host_.present, "conditions"))
        if (text_or(dig(c, "type")) == type) holds = text_or(dig(c, "status")) == "True";
      if (!holds) return "corresponding condition of pod readiness gate \"" + type + "\" does not exist.";
    }
    return {};
  }

  const pod_wish& wish_;
  const port::pod_view& seen_;
  const pod_memory& memory_;
  const host_facts& host_;
  const wall_time now_;
  const bool initialized_;
};

std::int64_t milli(const json& amount) {
  const auto text = amount.is_string() ? amount.get<std::string>() : amount.is_number_integer() ? std::to_string(amount.get<std::int64_t>()) : "0";
  return model::quantity_milli(text).value_or(0);
}

}  // namespace

json pod_status(const pod_wish& wish, const port::pod_view& seen, const pod_memory& memory, const host_facts& host, wall_time now) {
  return describer(wish, seen, memory, host, now).status();
}

std::string qos_class(const json& pod) {
  bool any = false, guaranteed = true;
  for (const char* list : {"initContainers", "containers"})
    for (const auto& c : dig(pod, "spec", list))
      for (const char* what : {"cpu", "memory"}) {
        const auto limit = milli(dig(c, "resources", "limits", what)), request = milli(dig(c, "resources", "requests", what));
        any = any || limit > 0 || request > 0;
        guaranteed = guaranteed && limit > 0 && (request == 0 || request == limit);
      }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace troupe::kubelet
