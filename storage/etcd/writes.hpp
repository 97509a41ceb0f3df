// Writes: one etcd transaction each, with an end for every doubt.
//
//   waiting -> sent -> committed | conflict | refused
//                \-> doubtful -> fence raised -> read back -> committed | conflict | sent again | unavailable
//
// Every transaction also compares the revision of one private key, the fence. When an answer is lost, the fence is
// written: from then on the lost transaction can never be applied any more, however late a frozen member or a slow
// network brings it, and reading the key back decides. Transactions of others that meet the new fence were not
// applied; they learn the fence and are sent again. The loop's thread.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "storage/etcd/links.hpp"

namespace troupe::storage::etcd {

class writes {
 public:
  explicit writes(core& with) : core_(with) {}
  void enter(std::vector<operation> batch, engine::commit_done done);
  /// The fence as it was read when the first endpoint was reached.
  void set_fence(revision raw) { fence_ = std::max(fence_, raw); }

 private:
  struct batch {
    std::vector<outcome> outcomes;
    std::size_t open = 0;
    engine::commit_done done;
  };
  struct write {
    operation what;
    std::shared_ptr<batch> of;
    std::size_t slot = 0, size = 0;
    mono_time until;
    revision base = 0;         ///< Raw head when it was first sent.
    bool tried = false, counted = false, sent = false, done = false;
    rpc::loop::timer limit{};
  };
  using write_ptr = std::shared_ptr<write>;
  using found = std::optional<pb::KeyValue>;

  const char* refusal(const operation& one) const;
  void pump();
  void send(const write_ptr& one);
  void transmit(const write_ptr& one, endpoint& at);
  void answered(const write_ptr& one, endpoint& at, revision fence, const grpc::Status& status, pb::TxnResponse& said);
  void failed(const write_ptr& one, endpoint& at, const grpc::Status& status);
  void again(const write_ptr& one);
  void finish(const write_ptr& one, outcome::kind what, std::string note = {}, revision raw_at = 0);
  void conflict(const write_ptr& one, found present);

  void doubt(const write_ptr& one);
  void raise_fence();
  void raise_fence_at(endpoint& at, std::vector<write_ptr> doubtful);
  void fence_raised(std::vector<write_ptr> doubtful, revision raw_at);
  void look(const write_ptr& one, revision raw_at, std::function<void(found)> then);
  void settle(const write_ptr& one, found present);
  void settle_create(const write_ptr& one, found present);
  void settle_update(const write_ptr& one, found present, found seen, found after, int steps);
  void settle_erase(const write_ptr& one, found present);
  void not_applied(const write_ptr& one);

  core& core_;
  std::deque<write_ptr> queue_;
  std::size_t in_flight_ = 0, bytes_ = 0, sent_ = 0;
  revision fence_ = 0;               ///< Raw; 0: the key was never written.
  bool fence_due_ = false, raising_ = false;
  std::vector<write_ptr> doubtful_;
};

}  // namespace troupe::storage::etcd
