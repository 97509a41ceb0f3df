#include "storage/embedded/store.hpp"

#include "storage/embedded/jobs.hpp"
#include "storage/log/compare.hpp"

namespace troupe::storage {
namespace {
error missing(revision from, revision to) {
  return fail(errc::corrupt, "revisions " + std::to_string(from) + " to " + std::to_string(to) + " are missing");
}
}  // namespace

store::store(std::unique_ptr<log_table> table, std::string path, retention rule, bool relaxed)
    : path_(std::move(path)), rule_(rule), relaxed_(relaxed), table_(std::move(table)) {}

store::~store() = default;

result<void> store::load() {
  const auto meta = table_->read_meta();
  if (!meta) return meta.why();
  ends_ = meta->ends;
  purged_to_ = ends_.floor;
  revision last = ends_.floor;
  log_row row;
  table_->begin_scan(0, INT64_MAX);
  auto got = log_table::found::none;
  result<void> fine;
  while (fine && (got = table_->next(row)) == log_table::found::row) fine = load_row(row, last);
  if (got == log_table::found::bad)
    fine = fail(errc::corrupt, "the checksum of revision " + std::to_string(row.at) + " (key " + std::string(row.key) +
                                   ") does not match");
  table_->end_scan();
  if (!fine) return fine;
  if (got == log_table::found::failed) return table_->why("reading the log");
  if (ends_.next_after(last) <= ends_.head && ends_.head > ends_.floor) return missing(ends_.next_after(last), ends_.head);
  ends_.head = std::max(ends_.head, last);
  return open_up(*meta);
}

result<void> store::load_row(const log_row& row, revision& last) {
  const key_state* before = index_.find(row.key);
  const bool was_live = before != nullptr && before->live();
  if (row.at > ends_.floor) {
    if (row.at != ends_.next_after(last)) return missing(ends_.next_after(last), row.at - 1);
    last = row.at;
    const bool follows = row.version == 1 ? !was_live : was_live && before->modified == row.previous;
    if (!follows)
      return fail(errc::corrupt, "revision " + std::to_string(row.at) + " of key " + std::string(row.key) +
                                     " does not follow the one before it");
  }
  const bool erased = row.kind == row_kind::erase;
  const key_state next{row.created, row.at, row.version, record_bytes(row.key.size(), row.value.size())};
  dead_bytes_ += dying_bytes(before, next);
  if (row.at <= ends_.floor && (was_live || erased)) purged_to_ = std::min(purged_to_, row.at - 1);
  index_.set(row.key, next);
  return {};
}

/// The log was accepted: from here on it may be written.
result<void> store::open_up(const meta_values& meta) {
  table_->allow_writes(true);
  reserve_.ceiling = meta.reserved;
  const bool lost = !meta.copy && reserve_.has_lost(ends_.head);  // A copy jumps further, and was flushed.
  if (lost) ends_ = ends_.with_hole(reserve_.ceiling);
  if (meta.copy) ends_ = ends_.restored();
  if (!lost && !meta.copy) return {};
  reserve_ = {};
  if (!begin() || !write_ends() || !commit()) return *trouble_;
  return {};
}

void store::break_down(std::string_view doing) {
  if (trouble_) return;
  trouble_ = table_->why(doing);
  if (in_transaction_) table_->rollback();
  in_transaction_ = pending_ = false;
  // A disk that failed once is not written to again, not even while closing.
  table_->allow_writes(false);
}

bool store::begin() {
  if (in_transaction_) return true;
  if (broken()) return false;
  if (!table_->begin()) {
    break_down("beginning a transaction");
    return false;
  }
  return in_transaction_ = true;
}

bool store::commit() {
  if (!table_->commit()) {
    commit_failed_ = !broken();
    break_down("committing");
    return false;
  }
  in_transaction_ = pending_ = false;
  written_rows_ = written_bytes_ = idle_purged_ = 0;
  return true;
}

void store::apply(std::vector<operation>& batch, committed_batch& out) {
  out.outcomes.reserve(batch.size());
  out.changes.reserve(batch.size());
  for (auto& asked : batch) {
    outcome& said = out.outcomes.emplace_back();
    if (broken()) continue;  // "unavailable", which is what an outcome begins as.
    const key_state* now = index_.find(asked.key);
    said.what = judge(asked, now);
    if (said.what == outcome::kind::committed) {
      (asked.relaxed && relaxed_ ? group_relaxed_ : group_durable_) = true;
      write(asked, now, said, out.changes);
    } else if (said.what == outcome::kind::too_large) {
      said.note = too_large_note(asked);
    } else if (now != nullptr && now->live()) {
      auto row = read(now->modified);
      if (row) {
        said.present = row->to_record();
      } else {
        said.what = outcome::kind::unavailable;
        said.note = row.why().text();
      }
    }
  }
  out.head = ends_.head;
}

void store::write(operation& asked, const key_state* now, outcome& said, std::vector<change>& changes) {
  if (!begin()) {
    said.what = outcome::kind::unavailable;
    return;
  }
  said.at = ends_.head + 1;
  const key_state next = next_state(asked, now, said.at);
  log_row row;
  row.at = said.at;
  row.kind = next.live() ? row_kind::put : row_kind::erase;
  row.previous = now != nullptr ? now->modified : 0;
  row.created = next.created;
  row.version = next.version;
  row.key = asked.key;
  if (next.live()) row.value = asked.value.view();
  if (!table_->insert(row)) {
    said.what = outcome::kind::unavailable;
    return break_down("writing a record");
  }
  ++ends_.head;
  ++written_rows_;
  written_bytes_ += next.bytes;
  dead_bytes_ += dying_bytes(now, next);
  change& told = changes.emplace_back();
  told.at = said.at;
  told.created = next.created;
  told.previous = now != nullptr && now->live() ? now->modified : 0;
  told.version = next.version;
  told.erased = !next.live();
  if (next.live()) told.value = std::move(asked.value);
  index_.set(asked.key, next);
  told.key = std::move(asked.key);
}

bool store::finish_group() {
  end_read();
  const bool durable = std::exchange(group_durable_, false), relaxed = std::exchange(group_relaxed_, false);
  if (!in_transaction_ || broken() || (!durable && !relaxed)) return false;
  if (!durable && reserve_.covers(ends_.head) && written_bytes_ < pending_bytes_max) {
    if (!table_->hand_over()) {
      break_down("writing records");
      return false;
    }
    pending_ = true;
    return false;
  }
  const bool raise_ceiling = (!durable && !reserve_.covers(ends_.head)) || reserve_.is_near(ends_.head);
  if (raise_ceiling) reserve_.raise(ends_.head);
  const revision floor = crowded_floor(ends_, rule_, dead_bytes_);
  const bool raise_floor = floor > ends_.floor && purged_to_ >= purge_limit();
  if (raise_floor) ends_.floor = floor;
  if (raise_floor || raise_ceiling) write_ends();
  purge(deletes_per_row_max * written_rows_);
  return !broken() && commit();
}

void store::flush() {
  if (!pending_ || broken()) return;
  end_read();
  if (reserve_.is_near(ends_.head)) {
    reserve_.raise(ends_.head);
    write_ends();
  }
  purge(deletes_per_row_max * written_rows_);
  if (!broken()) commit();
}

void store::rest() {
  if (!reserving()) return;
  end_read();
  if (!begin()) return;
  reserve_ = {};
  if (write_ends()) commit();
}

bool store::write_ends() {
  if (table_->write_meta({ends_, reserve_.ceiling, false})) return true;
  break_down("writing the ends of the log");
  return false;
}

void store::purge(std::size_t deletes_max) {
  const revision upto = purge_limit();
  if (upto <= purged_to_ || deletes_max == 0 || broken()) return;
  // A row lets go of one row, a tombstone of two; creations of none, so the list may be longer than needed.
  if (!table_->list_doomed(purged_to_, upto, deletes_max, doomed_)) return break_down("looking for old records");
  std::size_t deleted = 0;
  for (const auto& one : doomed_) {
    if (deleted >= deletes_max) return;
    const auto let_go = [&](revision which, std::uint32_t cost) {
      if (!table_->erase(which)) return break_down("deleting an old record");
      dead_bytes_ -= std::min<std::uint64_t>(dead_bytes_, cost);
      ++deleted;
    };
    if (one.previous_bytes != 0) let_go(one.previous, one.previous_bytes);
    if (one.tombstone && !broken()) {
      let_go(one.at, record_bytes(one.key.size(), 0));
      const key_state* now = index_.find(one.key);
      if (now != nullptr && now->modified == one.at) index_.drop(one.key);
    }
    if (broken()) return;
    purged_to_ = one.at;
    shrinkable_ = true;
  }
  if (doomed_.size() < deletes_max) purged_to_ = upto;
}

result<void> store::compact(revision to) {
  if (broken()) return fail(errc::unavailable, trouble_->note);
  if (auto ok = ends_.readable(std::max(to, ends_.floor)); !ok && ok.code() != errc::gone) return ok.why();
  const revision floor = raised_floor(ends_, rule_, to);
  if (floor == ends_.floor) return {};
  if (!begin()) return fail(errc::unavailable, trouble_->note);
  const revision before = std::exchange(ends_.floor, floor);
  if (write_ends() && commit()) return {};
  ends_.floor = before;
  return fail(commit_failed_ ? errc::outcome_unknown : errc::unavailable, trouble_->note);
}

result<void> store::raise(revision to) {
  if (broken()) return fail(errc::unavailable, trouble_->note);
  if (to <= ends_.head) return {};
  if (!begin()) return fail(errc::unavailable, trouble_->note);
  const auto before = std::pair(ends_, reserve_);
  ends_ = ends_.raised(to);
  reserve_ = {};
  if (write_ends() && commit()) return {};
  std::tie(ends_, reserve_) = before;
  return fail(commit_failed_ ? errc::outcome_unknown : errc::unavailable, trouble_->note);
}

void store::tidy() {
  end_read();
  if (purge_limit() > purged_to_) {
    if (!begin()) return;
    purge(idle_purge_rows_max);
    // Beside relaxed writes that wait anyway a few slices go in one commit.
    idle_purged_ += idle_purge_rows_max;
    if (!broken() && (!pending_ || idle_purged_ > idle_purge_rows_max)) commit();
  } else if (shrinkable_) {
    flush();
    if (!broken() && !table_->shrink(shrinkable_)) break_down("shrinking the file");
  }
  upkeep();
}

void store::upkeep() {
  if (broken() || in_transaction_) return;
  end_read();
  if (!table_->upkeep()) break_down("keeping the files short");
}

result<log_row> store::read(revision at) {
  if (broken()) return fail(errc::closed, trouble_->note);
  end_read();
  reading_ = true;
  log_row out;
  switch (table_->read(at, out)) {
    case log_table::found::row: return out;
    case log_table::found::none: return fail(errc::not_found, "revision " + std::to_string(at) + " is not in the log");
    case log_table::found::bad:
      return fail(errc::corrupt, "the checksum of revision " + std::to_string(at) + " (key " + std::string(out.key) +
                                     ") does not match; restore a backup");
    case log_table::found::failed: break;
  }
  end_read();
  break_down("reading a record");
  return fail(errc::closed, trouble_->note);
}

result<std::optional<log_row>> store::read_at(const key_state& newest, revision at, std::size_t& rows_read) {
  revision walk = newest.modified;
  while (walk > at) {
    log_row link;
    ++rows_read;
    const auto got = table_->read_link(walk, link);
    if (got == log_table::found::failed) {
      break_down("reading a record");
      return fail(errc::closed, trouble_->note);
    }
    if (got != log_table::found::row || link.previous >= walk)
      return fail(errc::corrupt, "revision " + std::to_string(walk) + " is not in the log; restore a backup");
    // Before a first version lies nothing, or a tombstone that may have been purged.
    if (link.version == 1 && link.previous <= at) return std::optional<log_row>{};
    walk = link.previous;
  }
  ++rows_read;
  auto row = read(walk);
  if (!row) {
    if (row.code() != errc::not_found) return row.why();
    return fail(errc::corrupt, row.why().note + "; restore a backup");
  }
  if (row->kind == row_kind::erase) return std::optional<log_row>{};
  return std::optional<log_row>(*row);
}

}  // namespace troupe::storage
