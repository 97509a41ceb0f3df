// An API of pods for tests of a kubelet: lists and watches them, takes their statuses, events and deletions, and knows nothing
// else (404). The store is the test's to change.
#pragma once
#include <set>

#include "tests/harness/stage.hpp"

namespace troupe::testing {

class pod_store {
 public:
  unsigned lost = 0;                     ///< Percent of calls that are not answered (events excepted).
  bool deaf = false;                     ///< Events are not taken.
  std::set<std::string> reasons;         ///< "uid/reason" of each event.
  std::vector<json> events;
  const std::map<std::string, json>& pods() const { return pods_; }   ///< By "namespace/name".
  json& of(const std::string& key) { return pods_.at(key); }
  std::map<std::string, json> others;    ///< Answers of GET by path.

  void put(json pod);                    ///< Creates or replaces; watchers hear it.
  void remove(const std::string& key);   ///< Gracefully: the kubelet does the rest.
  void vanish(const std::string& key);   ///< At once, as a forced deletion.

  // The actor's part.
  std::optional<result<client::api_answer>> answer(const client::api_call& ask);
  std::shared_ptr<api_script> script = std::make_shared<api_script>();
  rng dice{17};
  const wall_clock* calendar = nullptr;

 private:
  void publish(const std::string& type, const json& pod);
  client::api_answer list() const;
  std::map<std::string, json> pods_;
  std::uint64_t revision_ = 1;
};

client::api_actor make_pod_api(stage& on, const std::shared_ptr<pod_store>& store);

}  // namespace troupe::testing
