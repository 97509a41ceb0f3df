// How a kind keeper stores its objects anew after its keys changed.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "actors/apiserver/messages.hpp"
#include "actors/apiserver/resources/at_rest.hpp"
#include "actors/runtime/errors.hpp"

namespace troupe::apiserver {

inline constexpr std::size_t rewrite_batch = 64;

/// Some objects being stored once more. Shared by the continuations of its commits; `open` of them have not answered.
struct rewriting {
  caf::typed_response_promise<secrets::rewritten> answer;
  secrets::rewritten sum = {};
  std::string trouble = {};
  std::size_t open = 1;

  void settle(const at_rest& now, std::string bad) {
    if (!bad.empty()) trouble = std::move(bad);
    if (--open > 0) return;
    sum.left = now.stale();
    sum.unreadable = now.unreadable();
    if (trouble.empty()) answer.deliver(sum);
    else answer.deliver(rt::refuse(errc::unavailable, trouble));
  }
  /// A conflict is no trouble: somebody else wrote it, and not under the old key.
  void settle(const at_rest& now, const storage::outcome& got) {
    sum.done += got.what == storage::outcome::kind::committed;
    const bool heard = got.what == storage::outcome::kind::committed || got.what == storage::outcome::kind::conflict;
    settle(now, heard ? std::string() : "the datastore did not take a write: " + got.note);
  }
};

/// Stores some of what is not stored as it would be now once more. For a keeper alone; `rest`, `all` and what they are of
/// are its own and live as long as it does.
inline caf::result<secrets::rewritten> rewrite_stale(rt::self<kind_keeper_actor> self, const datastore::writer_actor& writer, const at_rest& rest, const model::snapshot& all,
                                              std::string_view prefix, entropy& chance) {
  auto round = std::make_shared<rewriting>(rewriting{self->make_response_promise<secrets::rewritten>()});
  const auto failed = [&rest, round](const caf::error& why) { round->settle(rest, rt::reason(why).text()); };
  for (const auto& key : rest.next_stale(rewrite_batch)) {
    const auto doc = all.find(key);
    ++round->open;
    self->request(writer, caf::infinite, datastore::commit_operation{{storage::operation::kind::update, std::string(prefix).append(key),
                  rest.dress(bytes(doc->stored()), chance), doc->modified()}})
        .then([&rest, round](const storage::outcome& got) { round->settle(rest, got); }, failed);
  }
  // What was under way under another key arrives before this answer does.
  self->request(writer, caf::infinite, datastore::read_head{}).then([&rest, round](storage::revision) { round->settle(rest, std::string()); }, failed);
  return round->answer;
}

}  // namespace troupe::apiserver
