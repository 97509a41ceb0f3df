// Who may say what to a datastore shard: the one owner of an engine, of its log and of its order.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/runtime/handle.hpp"
#include "storage/engine.hpp"

namespace troupe::datastore {

/// kind keeper -> shard. Answers what became of it; the change itself comes before, as changes_published.
struct commit_operation { storage::operation what; };
/// shard -> follower: committed changes below the follower's prefix, in revision order, each once.
struct changes_published {
  std::shared_ptr<const std::vector<storage::change>> changes;
  storage::revision head = 0;
  /// Some changes can no longer be had one by one (compacted unseen): follow again and compare. `changes` is empty.
  bool lost = false;
};
using follower_actor = rt::handle<void(changes_published)>;
/// follower -> shard. Answers everything below the prefix at one revision; every later change follows as changes_published
/// (which may overtake the answer: drop what is not newer).
struct follow_prefix { std::string prefix; follower_actor who; };
/// claim keeper -> shard. Answers some keys as they are at the head, or were at a revision; fails as engine::range does.
struct read_page { storage::range_query what; };
/// anyone -> shard. Answers the head once all that was committed before has been published.
struct read_head {};
/// engine's thread -> shard.
struct batch_settled { std::uint64_t ticket; std::shared_ptr<storage::committed_batch> what; };
struct page_settled { std::uint64_t ticket; std::shared_ptr<result<storage::page>> what; };
struct changes_settled { std::shared_ptr<result<std::vector<storage::change>>> what; };
struct head_settled { std::shared_ptr<result<storage::revision>> what; };
struct standing_changed {};
/// shard -> itself: answers and reads that wait for changes have waited long enough.
struct patience_due {};
/// anyone -> shard: tell `who` now, and whenever it changes, whether the datastore can be written.
struct standing_told { storage::standing now = storage::standing::leading; };
using standing_listener_actor = rt::handle<void(standing_told)>;
struct watch_standing { standing_listener_actor who; };
/// shard -> itself: let superseded revisions go.
struct compaction_due {};
/// snapshots -> shard. Writes a consistent copy to a new file (RocksDB: folder) while writes go on; answers the head then.
struct write_backup { std::string path; };
struct backup_settled { std::uint64_t ticket = 0; std::shared_ptr<result<void>> what; };
using backup_actor = rt::handle<storage::revision(write_backup)>;
/// node -> shard. Answers true once everything accepted so far is on disk and the engine is closed.
struct close_datastore {};

/// What a kind keeper holds.
using writer_actor = rt::handle<storage::outcome(commit_operation), storage::page(follow_prefix), storage::revision(read_head)>;
/// What somebody holds who looks at keys now and then, and mends them.
using pages_actor = rt::handle<storage::page(read_page), storage::outcome(commit_operation)>;
using shard_actor =
    rt::handle<storage::outcome(commit_operation), storage::page(follow_prefix), storage::revision(read_head), storage::page(read_page),
               void(batch_settled), void(page_settled), void(changes_settled), void(head_settled),
               void(standing_changed), void(watch_standing), void(patience_due), void(compaction_due),
               storage::revision(write_backup), void(backup_settled), bool(close_datastore)>;

}  // namespace troupe::datastore

RT_MESSAGE(troupe::datastore::commit_operation)
RT_MESSAGE(troupe::datastore::changes_published)
RT_MESSAGE(troupe::datastore::follow_prefix)
RT_MESSAGE(troupe::datastore::read_page)
RT_MESSAGE(troupe::datastore::read_head)
RT_MESSAGE(troupe::datastore::batch_settled)
RT_MESSAGE(troupe::datastore::page_settled)
RT_MESSAGE(troupe::datastore::changes_settled)
RT_MESSAGE(troupe::datastore::head_settled)
RT_MESSAGE(troupe::datastore::standing_changed)
RT_MESSAGE(troupe::datastore::standing_told)
RT_MESSAGE(troupe::datastore::watch_standing)
RT_MESSAGE(troupe::datastore::patience_due)
RT_MESSAGE(troupe::datastore::compaction_due)
RT_MESSAGE(troupe::datastore::write_backup)
RT_MESSAGE(troupe::datastore::backup_settled)
RT_MESSAGE(troupe::datastore::close_datastore)
RT_MESSAGE(troupe::storage::outcome)
RT_MESSAGE(troupe::storage::page)
