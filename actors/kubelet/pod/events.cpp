#include "actors/kubelet/pod/events.hpp"

#include <algorithm>
#include <cstdio>

#include "actors/kubelet/pod/wish.hpp"

namespace troupe::kubelet {

event_book::event_book(const json& pod, std::string node) : node_(std::move(node)) {
  ns_ = text_or(dig(pod, "metadata", "namespace"));
  name_ = text_or(dig(pod, "metadata", "name"));
  uid_ = text_or(dig(pod, "metadata", "uid"));
  for (const char* list : {"containers", "initContainers"})
    for (const auto& c : dig(pod, "spec", list)) {
      const auto name = text_or(dig(c, "name"));
      fields_[name] = std::string("spec.") + list + "{" + name + "}";
    }
}

bool event_book::may_speak(wall_time now, int keep) {
  if (!refilled_) refilled_ = now;
  const auto more = std::max<std::int64_t>(0, (now - *refilled_) / refill_every);
  left_ = static_cast<int>(std::min<std::int64_t>(burst, left_ + more));
  *refilled_ += more * refill_every;
  if (left_ <= keep) return false;
  --left_;
  return true;
}

std::optional<event_call> event_book::note(bool warning, const std::string& reason, const std::string& message, const std::string& container, wall_time now) {
  const auto what = reason + "\n" + message + "\n" + container;
  const auto path = "/api/v1/namespaces/" + ns_ + "/events";
  if (const auto found = known_.find(what); found != known_.end()) {
    ++found->second.count;   // whether or not it may be said now: the next that is said tells how often it was
    if (!may_speak(now, kept_for_news)) return std::nullopt;
    return event_call{"PATCH", path + "/" + found->second.name, "application/strategic-merge-patch+json",
                      {{"count", found->second.count}, {"lastTimestamp", to_rfc3339(now)}}};
  }
  if (!may_speak(now, 0)) return std::nullopt;
  if (known_.size() >= known_max) known_.clear();
  char hex[32];
  std::snprintf(hex, sizeof hex, ".%016llx", static_cast<unsigned long long>(digest_of(uid_ + what + std::to_string(now.time_since_epoch().count()))));
  auto& one = known_[what];
  one = {name_ + hex, 1};
  json about{{"kind", "Pod"}, {"apiVersion", "v1"}, {"namespace", ns_}, {"name", name_}, {"uid", uid_}};
  if (const auto field = fields_.find(container); field != fields_.end()) about["fieldPath"] = field->second;
  return event_call{"POST", path, "application/json",
                    {{"apiVersion", "v1"}, {"kind", "Event"}, {"metadata", {{"name", one.name}, {"namespace", ns_}}}, {"involvedObject", std::move(about)},
                     {"reason", reason}, {"message", message.substr(0, 1024)}, {"type", warning ? "Warning" : "Normal"}, {"count", 1},
                     {"firstTimestamp", to_rfc3339(now)}, {"lastTimestamp", to_rfc3339(now)}, {"source", {{"component", "kubelet"}, {"host", node_}}},
                     {"reportingComponent", "kubelet"}, {"reportingInstance", node_}}};
}

}  // namespace troupe::kubelet
