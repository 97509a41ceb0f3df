#include "tests/storage/etcd/etcd_stage.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace troupe::storage::testing {
namespace {
/// A port of 127.0.0.1 that nobody has. Below those that the kernel hands out: one of them could become the near end of
/// somebody's connection before etcd has bound it. Processes that run beside each other begin at different ones.
std::string free_port() {
  constexpr int lowest = 12'000, count = 20'000, apart = 97;
  static int next = static_cast<int>(::getpid()) * apart % count;
  for (int tries = 0; tries < count; ++tries) {
    const int port = lowest + next++ % count;
    const int at = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = ::bind(at, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(at);
    if (free) return std::to_string(port);
  }
  FAIL("no port is free");
  return {};
}

std::string memory_folder() {
  std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm/troupe-etcd-XXXXXX" : "/tmp/troupe-etcd-XXXXXX";
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  return name;
}

class etcd_rig final : public rig {
 public:
  std::string name() const override { return "etcd"; }
  std::string path() const override { return stage_.folder() + "/state"; }
  std::unique_ptr<engine> open(retention) override {
    auto config = config_for(stage_.access());
    config.prefix.clear();
    if (fresh_) {
      // An empty etcd is at revision 1 and this write makes 2: the first of ours shall be 1.
      auto first = open_etcd_engine(config);
      REQUIRE(first.ok());
      wait_ready(**first);
      answer<result<void>> set;
      (*first)->set_revision_offset(-2, set.take());
      REQUIRE(set.get(*this).ok());
      fresh_ = false;
    }
    auto out = open_ready(config);
    (void)changes(*this, *out, 0);   // Whoever follows from the start learns where the floor is.
    return out;
  }
  std::unique_ptr<engine> open_copy() override { return nullptr; }

 private:
  etcd_stage stage_;
  bool fresh_ = true;
};
}  // namespace

etcd_stage::etcd_stage(std::size_t members, etcd_files files, duration election) : folder_(memory_folder()), files_(std::move(files)), election_(election) {
  for (std::size_t i = 0; i < members; ++i) (void)add();
  for (std::size_t i = 0; i < members; ++i) start(i);
  state_ = "existing";
}

etcd_stage::~etcd_stage() {
  for (std::size_t i = 0; i < members_.size(); ++i) kill(i);
  std::filesystem::remove_all(folder_);
}

std::size_t etcd_stage::add() {
  const std::string scheme = files_.ca.empty() ? "http" : "https";
  etcd_member one;
  one.name = numbered("m", members_.size());
  one.folder = folder_ + "/" + one.name;
  one.client_url = scheme + "://127.0.0.1:" + free_port();
  one.peer_url = "http://127.0.0.1:" + free_port();
  members_.push_back(std::move(one));
  return members_.size() - 1;
}

void etcd_stage::start(std::size_t which) {
  auto& me = members_[which];
  std::string all;
  for (const auto& one : members_) all += (all.empty() ? "" : ",") + one.name + "=" + one.peer_url;
  std::vector<std::string> words{"/usr/bin/etcd", "--name", me.name, "--data-dir", me.folder,
                                 "--listen-client-urls", me.client_url, "--advertise-client-urls", me.client_url,
                                 "--listen-peer-urls", me.peer_url, "--initial-advertise-peer-urls", me.peer_url,
                                 "--initial-cluster", all, "--initial-cluster-state", state_,
                                 "--heartbeat-interval", "50", "--election-timeout", std::to_string(election_ / 1ms), "--max-request-bytes", "2097152",
                                 "--logger", "zap", "--log-outputs", me.folder + ".log"};
  if (!files_.ca.empty())
    for (const auto& word : {std::string("--trusted-ca-file"), files_.ca, std::string("--cert-file"), files_.certificate,
                             std::string("--key-file"), files_.key, std::string("--client-cert-auth")})
      words.push_back(word);
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  me.pid = ::fork();
  REQUIRE(me.pid >= 0);
  if (me.pid != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (const int to : {0, 1, 2}) ::dup2(nowhere, to);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

void etcd_stage::signal(std::size_t which, int number) {
  if (members_[which].pid > 0) ::kill(members_[which].pid, number);
}

void etcd_stage::kill(std::size_t which) {
  auto& me = members_[which];
  if (me.pid <= 0) return;
  ::kill(me.pid, SIGKILL);
  ::waitpid(me.pid, nullptr, 0);
  me.pid = -1;
}

etcd_access etcd_stage::access(std::size_t first) const {
  etcd_access out;
  out.endpoints.push_back(members_[first].client_url);
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (i != first) out.endpoints.push_back(members_[i].client_url);
  return out;
}

etcd_config config_for(const etcd_access& access) {
  etcd_config out;
  out.access = access;
  if (access.endpoints.size() > 1) return out;
  // With nobody else to ask, giving up early only makes a test depend on how busy the machine is.
  out.status_limit = out.attempt_limit = out.operation_limit = out.page_limit = 120s;
  return out;
}

void wait_ready(engine& of) {
  threaded here;
  std::string last;
  for (int tries = 0; tries < 150; ++tries) {
    answer<result<revision>> head;
    of.read_head(head.take());
    const auto said = head.get(here);
    if (said.ok()) return;
    last = said.why().text();
    // While etcd starts each refusal is quick; what is waited for is its next status.
    std::mutex mutex;
    std::condition_variable nobody;
    std::unique_lock hold(mutex);
    nobody.wait_for(hold, 100ms);
  }
  FAIL("etcd does not come up: " << last);
}

std::unique_ptr<engine> open_ready(const etcd_config& config) {
  auto opened = open_etcd(config);
  REQUIRE(opened.ok());
  wait_ready(**opened);
  return std::move(*opened);
}

std::size_t leader_of(const etcd_stage& stage, cluster& through) {
  threaded here;
  for (std::size_t i = 0; i < stage.size(); ++i) {
    answer<result<member_status>> said;
    through.status(stage[i].client_url, said.take());
    const auto one = said.get(here);
    if (one.ok() && one->id == one->leader) return i;
  }
  FAIL("nobody leads");
  return 0;
}

std::vector<std::function<std::unique_ptr<rig>()>> etcd_rigs() {
  return {[]() -> std::unique_ptr<rig> { return std::make_unique<etcd_rig>(); }};
}

}  // namespace troupe::storage::testing
