// Clients of a simulated cluster's API that read, create, and compare and swap a few objects, two at each server and each one
// thing at a time; and the history of what they were told. What nobody answered may be done later, or never.
#pragma once
#include "basis/json.hpp"
#include "tests/harness/cluster.hpp"
#include "tests/harness/linearizable.hpp"

namespace troupe::harness {

inline const std::string collection = "/api/v1/namespaces/default/configmaps";

class object_clients {
 public:
  object_clients(cluster& c, rng dice, const std::vector<std::string>& servers);
  void stop() { stopped_ = true; }
  /// Reads every key at `server`; the answers join the history.
  void read_all(const std::string& server);
  bool all_read() const { return reading_ == 0; }
  std::size_t unread() const { return unread_; }   ///< Of those reads, how many were refused.
  const std::vector<testing::history_entry>& history() const { return history_; }
  std::size_t full = 0;   ///< How many were told that there is no room.

 private:
  struct known { std::int64_t revision = 0; json object; };
  struct worker {
    std::string server, name;
    std::map<std::string, known> seen;
  };
  using entry = testing::history_entry;

  void later(std::size_t which);
  void act(std::size_t which);
  void begin(const std::string& server, const std::string& name, entry::kind what, const std::string& key, json object, std::function<void(const entry&)> then,
             known* learns = nullptr);
  void judge(entry& one, const client::api_answer& got, known* learns);

  cluster& c_;
  rng dice_;
  std::vector<worker> clients_;
  std::vector<entry> history_;
  std::int64_t clock_ = 0;
  std::uint64_t values_ = 0;
  std::size_t reading_ = 0, unread_ = 0;
  bool stopped_ = false;
};

/// The addresses in an answer that has the endpoints of `kubernetes`, sorted, a blank after each.
std::string listed(const client::api_answer& got);

}  // namespace troupe::harness
