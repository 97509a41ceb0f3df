// What people want of a simulated cluster: deployments, a daemon set, jobs, single pods; what they change while it runs, and
// what must have come of it in the end. They speak to the server's API and wait for each answer.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/harness/cluster.hpp"
#include "tests/scenarios/whole/witness.hpp"

namespace troupe::scenario {

class people {
 public:
  people(harness::cluster& c, witnessed& seen, rng dice) : c_(c), seen_(seen), dice_(dice) {}

  client::api_answer ask(std::string method, std::string where, const json& body = nullptr, const char* type = "application/json");
  /// Everything that they want from the beginning: about `pods` pods.
  void begin(std::int64_t pods);
  /// One of the things that people do.
  void act();
  /// Takes every pod that may go off `node`, after nothing new may come to it.
  void drain(const std::string& node);
  void let_back(const std::string& node);
  /// The last word: whoever tries out images ends with one that is there.
  void settle();
  /// What is not yet as they want it, on the nodes in `living`; "" when all is.
  std::string incomplete(const std::set<std::string>& living);
  /// Everything goes.
  void leave();
  /// How a container of theirs goes once it is started.
  static net::sim::container_life life_of(const net::cri::container_config& what, rng& dice);
  static constexpr const char* images[] = {"one", "two", "three"};   ///< There to be pulled; "absent" is not.

 private:
  struct app { std::int64_t replicas = 0; std::string image; };
  static std::string apps_path(const std::string& name = {}) { return "/apis/apps/v1/namespaces/default/deployments" + (name.empty() ? "" : "/" + name); }
  json template_of(const std::string& name, const std::string& image, const char* policy = "Always") const;
  void make(const std::string& name, std::int64_t replicas);
  void make_job();
  void make_daemon();
  void make_hopeless();
  void make_single();
  void scale(const std::string& name);
  void roll(const std::string& name, const std::string& image);
  void remove_some_pod();
  std::string some_app() { return "app" + std::to_string(dice_.below(apps_count)); }
  std::string judge_app(const json& each);
  std::string judge_daemon(const std::set<std::string>& living);
  std::string judge_service();
  std::string judge_jobs();

  static constexpr std::size_t apps_count = 5;
  harness::cluster& c_;
  witnessed& seen_;
  rng dice_;
  std::map<std::string, app> apps_;
  std::int64_t share_ = 1;
  std::size_t jobs_ = 0, singles_ = 0;
  std::set<std::string> cordoned_;
};

}  // namespace troupe::scenario
