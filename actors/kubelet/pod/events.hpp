// What people are told of a pod or of the node: events in upstream's words, the same one counted instead of repeated, and not too
// many. Pure.
#pragma once
#include <map>
#include <optional>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::kubelet {

struct event_call {
  std::string method, path, type;   ///< Of the API; POST a new one, PATCH a count.
  json body;
  json anew = nullptr;              ///< Of a count: the whole Event, to be made when there is none any more (404).
};

class event_book {
 public:
  static constexpr int kept_for_news = 12;                                    ///< A failure that repeats must not silence what comes after it.
  static constexpr int burst = 25 + kept_for_news;                            ///< 25 as upstream: per object, then one ...
  static constexpr duration refill_every = std::chrono::minutes(5);           ///< ... in each such time.
  static constexpr std::size_t known_max = 64;                                ///< Different ones that are counted.
  event_book() = default;
  /// About a pod, on this node.
  event_book(const json& pod, std::string node);
  /// About this node. Its uid is its name here, as upstream's kubelet has it and `kubectl describe node` asks for it.
  static event_book of_node(const std::string& node);

  /// What to send; nothing when too much was said already, of new things or by repeating old ones. `container` may be empty.
  std::optional<event_call> note(bool warning, const std::string& reason, const std::string& message, const std::string& container, wall_time now);

 private:
  struct entry { std::string name, first; int count = 0; };
  bool may_speak(wall_time now, int keep);
  std::string node_, ns_, name_, uid_;
  json about_;
  std::map<std::string, std::string> fields_;    ///< Of each container: "spec.containers{name}".
  std::map<std::string, entry> known_;
  std::optional<wall_time> refilled_;
  int left_ = burst;
};

}  // namespace troupe::kubelet
