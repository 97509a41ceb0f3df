// The way to etcd: which endpoints there are, which of them know a leader, and who waits until one does.
//
// Every endpoint is asked for its status by itself (config.status_every; sooner after a failure). A call that fails
// makes its endpoint suspect: it is asked at once, and not chosen before it has answered well. One that was well and lets
// its question wait is not chosen either while another answers. Everything here belongs to the loop's thread, except the
// atomics.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/rpc/call.hpp"
#include "net/rpc/channel.hpp"
#include "storage/etcd/etcd.hpp"
#include "storage/etcd/wire.hpp"

namespace troupe::storage::etcd {

namespace rpc = net::rpc;

// etcd's own state that is ours: never shown, never part of the store.
inline constexpr std::string_view private_prefix = "troupe/";
inline constexpr std::string_view offset_key = "troupe/revision-offset";
inline constexpr std::string_view fence_key = "troupe/fence";

/// Asks etcd to refuse instead of waiting when it knows no leader.
inline void require_leader(grpc::ClientContext& context) { context.AddMetadata("hasleader", "true"); }

struct endpoint {
  enum class health : std::uint8_t { unknown, good, bad };
  std::string url;
  rpc::channel_options options;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::KV::Stub> kv;
  std::unique_ptr<pb::Watch::Stub> watch;
  std::unique_ptr<pb::Cluster::Stub> cluster;
  std::unique_ptr<pb::Maintenance::Stub> maintenance;
  health now = health::unknown;
  int misses = 0;              ///< Statuses in a row that were bad.
  bool asking = false;
  mono_time asked{};           ///< Since when, while `asking`.
  rpc::loop::timer next{};
  std::string trouble;         ///< Why it is bad.
};
result<std::unique_ptr<endpoint>> make_endpoint(const std::string& url, const etcd_access& access);

/// Whether the process of etcd's leader is gone. Followers notice a dead leader by its silence, after an election timeout or two, and
/// a read that has to ask it waits so long. A process that was killed refuses connections at once: that is asked here when a
/// read waits. Silence proves nothing here; to judge it is etcd's own business. docs/decisions/120.
class leader {
 public:
  leader(rpc::loop& on, const etcd_config& config) : loop_(on), config_(config) {}
  /// `by` is well, and says whom it follows. It is asked for that one's address.
  void named(endpoint& by, const pb::StatusResponse& said);
  /// Asks the leader itself whether it is there; then runs `then`, gone() knows the answer.
  void doubt(task then);
  /// Why it is taken for gone; empty otherwise. Forgotten when another is named, or the same in another term, and after a while.
  std::string gone() const { return loop_.now() < gone_until_ ? gone_ : std::string(); }

 private:
  void learn(endpoint& by);
  void prove(const std::shared_ptr<endpoint>& at);
  void ask(const std::shared_ptr<endpoint>& at, int left, task then);

  rpc::loop& loop_;
  const etcd_config& config_;
  std::uint64_t id_ = 0, term_ = 0;
  std::shared_ptr<endpoint> at_;      ///< Only once it has answered there as the leader: who advertises what nobody reaches is not gone.
  mono_time learn_due_{}, gone_until_{};
  std::string gone_;
};

class links {
 public:
  /// What must be done with the first good endpoint before anybody gets one; answers whether it was.
  using preparation = callback<void(endpoint&, callback<void(bool)>)>;
  links(rpc::loop& on, const etcd_config& config, std::vector<std::unique_ptr<endpoint>> ends)
      : loop_(on), config_(config), ends_(std::move(ends)), leader_(on, config) {}

  /// `news` runs whenever an endpoint has said how it is; true when the standing changed by it.
  using health_news = callback<void(bool standing_changed)>;
  void start(preparation prepare, health_news news);
  /// Asks no more, and whoever waits gets nothing.
  void stop();

  using chosen = callback<void(endpoint*)>;
  /// The first good endpoint, now or as soon as there is one; nothing at `until`. Who is not `patient` gets nothing as
  /// soon as every endpoint is known to be bad.
  void choose(mono_time until, bool patient, chosen then);
  /// A call to `which` failed in a way that another endpoint might not.
  void suspect(endpoint& which, const std::string& why);
  const std::vector<std::unique_ptr<endpoint>>& all() const { return ends_; }
  /// Something takes long: every endpoint is asked how it is, and whether the leader's process is there; `then` runs when
  /// leader_gone() and passed_over() know.
  void doubt_leader(task then);
  /// It lets questions wait that others answer: frozen, or the road to it is.
  bool passed_over(const endpoint& which) const { return silent(which) && !all_silent(); }
  /// Why it is taken for gone, until the endpoints name the next; empty otherwise.
  std::string leader_gone() const { return leader_.gone(); }
  /// The first endpoint's trouble, or another's; for notes.
  std::string trouble() const;
  storage::standing standing() const { return standing_; }
  std::uint64_t file_bytes() const { return file_bytes_; }

 private:
  struct waiter {
    chosen then;
    bool patient = false;
    rpc::loop::timer timer{};
  };
  void ask(endpoint& which);
  void answered(endpoint& which, const grpc::Status& status, const pb::StatusResponse& said);
  void mark(endpoint& which, endpoint::health now, std::string trouble);
  void ask_later(endpoint& which);
  bool silent(const endpoint& which) const;
  bool all_silent() const;
  endpoint* good() const;
  void look_around();
  void release(endpoint* to, bool patient_too);

  rpc::loop& loop_;
  const etcd_config& config_;
  std::vector<std::unique_ptr<endpoint>> ends_;
  leader leader_;
  preparation prepare_;
  health_news news_;
  bool preparing_ = false, prepared_ = false, stopped_ = false;
  bool judged_ = false;  ///< Every endpoint has been bad or one good: `standing` is knowledge.
  std::map<std::uint64_t, waiter> waiters_;
  std::uint64_t waiters_made_ = 0;
  std::atomic<storage::standing> standing_ = storage::standing::leaderless;
  std::atomic<std::uint64_t> file_bytes_ = 0;
};

/// What the engine's parts share.
struct core {
  core(etcd_config with, std::vector<std::unique_ptr<endpoint>> ends)
      : config(std::move(with)), loop("etcd"), ways(loop, config, std::move(ends)) {}
  const etcd_config config;
  rpc::loop loop;
  links ways;
  std::atomic<revision> offset = 0;      ///< Ours minus etcd's.
  std::atomic<revision> head = 0;        ///< Newest of etcd's that any answer named.
  std::atomic<revision> compacted = 0;   ///< Newest of etcd's compactions that we know of.
  std::atomic<std::uint64_t> keys = 0;
  std::size_t jobs = 0;                  ///< Calls of the port that have not been answered.
  task idle;                             ///< Runs when `jobs` falls to 0.

  void seen(const pb::ResponseHeader& header) { raise(head, header.revision()); }
  static void raise(std::atomic<revision>& what, revision to) {
    if (to > what.load()) what = to;  // One writer: the loop's thread.
  }
  revision shown(revision raw) const { return raw + offset; }
  revision raw(revision shown) const { return shown - offset; }
  record to_record(pb::KeyValue& from) const {
    return {std::move(*from.mutable_key()), bytes(std::move(*from.mutable_value())), shown(from.create_revision()),
            shown(from.mod_revision()), from.version()};
  }
  void finished() {
    if (--jobs == 0 && idle) idle();
  }
};

}  // namespace troupe::storage::etcd
