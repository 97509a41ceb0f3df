#include "storage/copy.hpp"

#include <algorithm>

#include "storage/await.hpp"
#include "storage/log/checksum.hpp"

namespace troupe::storage {
namespace {
result<page> read_page(engine& from, const std::string& key, revision at, std::size_t limit) {
  return await<result<page>>([&](engine::range_done done) { from.range({key, {}, at, limit}, std::move(done)); });
}

/// The key after `key`.
std::string next_key(std::string key) { return key.append(1, '\0'); }

/// All records of an engine at one revision, page by page.
class reader {
 public:
  reader(engine& from, revision at) : from_(&from), at_(at) {}
  /// The next record; null at the end.
  result<const record*> next() {
    while (used_ == page_.records.size()) {
      if (begun_ && !page_.more) return nullptr;
      auto got = read_page(*from_, cursor_, at_, copy_page_records);
      if (!got) return got.why();
      begun_ = true;
      page_ = std::move(*got);
      used_ = 0;
      if (!page_.records.empty()) cursor_ = next_key(page_.records.back().key);
    }
    return &page_.records[used_++];
  }

 private:
  engine* from_;
  revision at_;
  page page_;
  std::size_t used_ = 0;
  std::string cursor_;
  bool begun_ = false;
};

std::uint32_t add_text(std::uint32_t sum, std::string_view text) {
  char size[8];
  for (std::size_t i = 0; i < 8; ++i) size[i] = static_cast<char>(static_cast<std::uint64_t>(text.size()) >> (8 * i));
  return crc32c(text, crc32c({size, 8}, sum));
}

result<void> write_batch(engine& to, std::vector<operation> batch) {
  if (batch.empty()) return {};
  const auto out =
      await<committed_batch>([&](engine::commit_done done) { to.commit(std::move(batch), std::move(done)); });
  for (const auto& said : out.outcomes) {
    switch (said.what) {
      case outcome::kind::committed: continue;
      case outcome::kind::conflict: return fail(errc::already_exists, "the target is written by somebody else");
      case outcome::kind::outcome_unknown: return fail(errc::outcome_unknown, "the target: " + said.note);
      case outcome::kind::too_large: return fail(errc::too_large, "the target: " + said.note);
      default: return fail(errc::unavailable, "the target: " + said.note);
    }
  }
  return {};
}

result<void> write_all(engine& source, engine& target, copy_report& report, const std::function<void()>& told) {
  reader from(source, report.head);
  std::vector<operation> batch;
  std::size_t size = 0;
  for (;;) {
    const auto one = from.next();
    if (!one) return one.why();
    const std::size_t cost = *one == nullptr ? 0 : (*one)->key.size() + (*one)->value.size();
    // etcd takes 128 operations in a transaction and our own engines more.
    if (*one == nullptr || batch.size() == 128 || (size + cost > copy_batch_bytes_max && !batch.empty())) {
      if (auto ok = write_batch(target, std::exchange(batch, {})); !ok) return ok;
      size = 0;
      told();
    }
    if (*one == nullptr) return {};
    batch.push_back({operation::kind::create, (*one)->key, (*one)->value, 0});
    size += cost;
    ++report.keys;
    report.bytes += cost;
  }
}

result<void> compare_all(engine& source, engine& target, copy_report& report) {
  reader left(source, report.head), right(target, 0);
  for (;;) {
    const auto a = left.next(), b = right.next();
    if (!a) return a.why();
    if (!b) return b.why();
    if (*a == nullptr && *b == nullptr) return {};
    if (*a == nullptr || *b == nullptr || (*a)->key != (*b)->key || (*a)->value.view() != (*b)->value.view())
      return fail(errc::corrupt, "the copy differs from the source at key " + (*a != nullptr ? (*a)->key : (*b)->key));
    report.checksum = add_text(add_text(report.checksum, (*a)->key), (*a)->value.view());
  }
}
}  // namespace

result<copy_report> copy_engine(engine& source, engine& target, const std::function<void(const copy_progress&)>& progress) {
  const auto there = read_page(target, {}, 0, 1);
  if (!there) return there.why();
  if (!there->records.empty())
    return fail(errc::already_exists, "the target is not empty: it has " + there->records.front().key);
  const auto head = await<result<revision>>([&](engine::head_done done) { source.read_head(std::move(done)); });
  if (!head) return head.why();
  copy_report out;
  out.head = *head;
  copy_progress now;
  now.keys_total = source.status().keys;
  const auto tell = [&] {
    now.keys = out.keys;
    if (progress) progress(now);
  };
  if (auto ok = write_all(source, target, out, tell); !ok) return ok.why();
  const auto raised = await<result<void>>(
      [&](engine::done done) { target.raise_revision(out.head + copy_margin_revisions, std::move(done)); });
  if (!raised) return raised.why();
  now.comparing = true;
  tell();
  if (auto ok = compare_all(source, target, out); !ok) return ok.why();
  const auto after = await<result<revision>>([&](engine::head_done done) { target.read_head(std::move(done)); });
  if (!after) return after.why();
  out.target_head = *after;
  if (out.target_head < out.head + copy_margin_revisions)
    return fail(errc::internal, "the target stands at revision " + std::to_string(out.target_head) + ", below the source");
  return out;
}

}  // namespace troupe::storage
