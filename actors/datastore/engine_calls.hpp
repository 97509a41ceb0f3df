// What every shard asks of its engine in the same way, whoever else writes to the store.
#pragma once
#include <unordered_map>

#include "actors/datastore/messages.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::datastore {

/// Backups that the engine is writing, and who waits for them. Part of a shard's state.
class backups {
 public:
  caf::result<storage::revision> take(rt::self<shard_actor> self, storage::engine& engine, const std::string& path) {
    auto answer = self->make_response_promise<storage::revision>();
    const auto ticket = ++last_;
    waiting_.emplace(ticket, answer);
    engine.backup(path, [me = rt::strong<shard_actor>(self), ticket](result<void> done) {
      rt::post(me, backup_settled{ticket, std::make_shared<result<void>>(std::move(done))});
    });
    return answer;
  }
  /// `head` is answered when all went well.
  void settle(std::uint64_t ticket, const result<void>& done, storage::revision head) {
    const auto found = waiting_.find(ticket);
    if (found == waiting_.end()) return;
    auto answer = std::move(found->second);
    waiting_.erase(found);
    if (!done.ok()) answer.deliver(rt::refuse(done.why()));
    else answer.deliver(head);
  }

 private:
  std::unordered_map<std::uint64_t, caf::typed_response_promise<storage::revision>> waiting_;
  std::uint64_t last_ = 0;
};

/// Lets revisions before `to` go; what fails is tried again with the next.
inline void compact(storage::engine& engine, storage::revision to) {
  if (to <= engine.status().floor) return;
  engine.compact(to, [to](result<void> done) {
    if (!done.ok()) log::warn("datastore.compaction_failed", {{"to", to}, {"error", done.why().text()}});
  });
}

}  // namespace troupe::datastore
