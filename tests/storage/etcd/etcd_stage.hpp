// Real etcd processes for tests: own children on free loopback ports, with their data in memory, killed by pid.
#pragma once
#include <doctest/doctest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/etcd/etcd.hpp"
#include "tests/storage/rig.hpp"

namespace troupe::storage::testing {

/// Files of a TLS etcd; empty = plain http.
struct etcd_files {
  std::string ca, certificate, key;
};

struct etcd_member {
  std::string name, folder, client_url, peer_url;
  pid_t pid = -1;
};

/// Members that know one another. Their end is the end of the processes.
class etcd_stage {
 public:
  explicit etcd_stage(std::size_t members = 1, etcd_files files = {}, duration election = 500ms);
  etcd_stage(const etcd_stage&) = delete;
  ~etcd_stage();

  /// Starts what is not running; an earlier life's data is kept.
  void start(std::size_t which);
  void signal(std::size_t which, int number);
  /// SIGKILL, and waits for the end.
  void kill(std::size_t which);
  /// Prepares one more member of the running cluster, not started.
  std::size_t add();
  std::size_t size() const { return members_.size(); }
  const etcd_member& operator[](std::size_t which) const { return members_[which]; }
  /// All client URLs, that of `first` at the front.
  etcd_access access(std::size_t first = 0) const;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  etcd_files files_;
  duration election_;
  std::vector<etcd_member> members_;
  std::string state_ = "new";
};

/// Waits for completions of engines that have a thread of their own.
struct threaded final : rig {
  std::string name() const override { return "etcd"; }
  std::unique_ptr<engine> open(retention) override { return nullptr; }
  std::unique_ptr<engine> open_copy() override { return nullptr; }
  std::string path() const override { return {}; }
};

/// A configuration for the stage's etcd: of one member patient, of several with the limits of production.
etcd_config config_for(const etcd_access& access);
/// Waits until etcd answers a read.
void wait_ready(engine& of);
/// Opens, and waits until etcd answers a read.
std::unique_ptr<engine> open_ready(const etcd_config& config);
/// The member that leads, asked of the first that answers.
std::size_t leader_of(const etcd_stage& stage, cluster& through);

std::vector<std::function<std::unique_ptr<rig>()>> etcd_rigs();

}  // namespace troupe::storage::testing
