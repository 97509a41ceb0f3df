// The change feed: one watch over everything in etcd, from the follower's last revision on.
//
// It watches all keys and shows those of the store, so it knows how far it has come also when the newest revision
// belongs to a private key. It begins at the revision that the follower has already (and drops what is repeated):
// only so does etcd tell when a compaction has taken an erasure that the follower has not seen. The loop's thread.
#pragma once
#include <deque>
#include <memory>
#include <vector>

#include "storage/etcd/links.hpp"

namespace troupe::storage::etcd {

class feed {
 public:
  feed(core& with, task news) : core_(with), news_(std::move(news)) {}
  void changes_after(revision after, std::size_t limit, engine::changes_done done);
  /// Whether somebody follows and has not lost the thread; then reached() says how far.
  bool followed() const { return followed_ && !lost_; }
  /// Answers once everything up to `raw` has been seen: the newest revision that a change carries; `unavailable` at
  /// `until`, `gone` when a compaction was quicker.
  void reached(revision raw, mono_time until, engine::head_done done);
  /// An endpoint may have failed or come back: leaves a watch whose endpoint is bad.
  void look_around();
  void stop();

 private:
  struct stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncReaderWriter<pb::WatchRequest, pb::WatchResponse>> wire;
    pb::WatchRequest request;
    pb::WatchResponse said;
    grpc::Status status;
    endpoint* at = nullptr;
    bool left = false;       ///< Nobody listens to it any more.
    bool busy = true;        ///< An operation of it has not come back.
    bool finished = false;
  };
  using stream_ptr = std::shared_ptr<stream>;
  struct waiter {
    revision raw = 0;
    engine::head_done done;
    rpc::loop::timer timer{};
  };

  void restart(revision raw_after);
  void open();
  void open_at(endpoint& at);
  void begun(const stream_ptr& of, bool ok);
  void read(const stream_ptr& of);
  void heard(const stream_ptr& of, bool ok);
  void take(pb::WatchResponse& said);
  void leave();
  void ended(const stream_ptr& of);
  void lost(revision raw_compacted);
  void answer_waiters();
  std::size_t weight(const change& one) const { return one.key.size() + one.value.size() + sizeof(change); }

  core& core_;
  task news_;
  stream_ptr now_;
  bool followed_ = false, opening_ = false, stopped_ = false, told_ = false, lost_ = false;
  std::deque<change> buffer_;        ///< Shown revisions, all after `from_`.
  std::vector<change> part_;         ///< Of an answer that etcd has cut in fragments.
  std::size_t bytes_ = 0;
  revision from_ = 0;                ///< Raw: changes up to here have been read and dropped.
  revision seen_ = 0;                ///< Raw: whole up to here.
  revision visible_ = 0;             ///< Shown: newest that a change carries, or where the follower began.
  std::map<std::uint64_t, waiter> waiters_;
  std::uint64_t waiters_made_ = 0;
};

}  // namespace troupe::storage::etcd
