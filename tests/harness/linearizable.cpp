// Per key the committed writes stand in the order of their revisions: w1 w2 ... wn, and with them the states s0 (absent)
// s1 ... sn. Three things are checked. Each write fits the state before it. Writes follow one another in time: none
// begins after one with a higher revision has ended. Every read, and every conflict as a read of what it was told, can be
// put between the write of its state and the next one without ending before something earlier began.
#include "tests/harness/linearizable.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace troupe::testing {
namespace {
using entry = history_entry;

struct state {
  std::int64_t revision = 0;
  bool live = false;
  std::string value;
  std::int64_t start = INT64_MIN, end = INT64_MAX;  ///< Of the write that made it.
  std::string client;
};

class register_check {
 public:
  register_check(std::string key, std::vector<const entry*> all, std::vector<std::string>& out)
      : key_(std::move(key)), all_(std::move(all)), out_(out) {}

  void run() {
    order_writes();
    if (!broken_) check_writes();
    if (!broken_) check_reads();
  }

 private:
  static std::string number(std::int64_t of) { return std::to_string(of); }
  void wrong(const std::string& what) {
    out_.push_back("key " + key_ + ": " + what);
    broken_ = true;
  }
  const state* at(std::int64_t revision) const {
    const auto found = std::lower_bound(states_.begin(), states_.end(), revision,
                                        [](const state& one, std::int64_t want) { return one.revision < want; });
    return found != states_.end() && found->revision == revision ? &*found : nullptr;
  }

  /// A write that nobody knows the fate of happened when somebody saw it: then its revision is known.
  void order_writes() {
    std::map<std::string, const entry*> unknown;
    std::map<std::int64_t, const entry*> writes;
    std::set<std::string> values;
    for (const entry* one : all_) {
      if (one->what == entry::kind::read) continue;
      const bool writes_value = one->outcome == entry::said::committed || one->outcome == entry::said::unknown;
      if (writes_value && one->what != entry::kind::erase && !values.insert(one->value).second) wrong("two writes of the value " + one->value);
      if (one->outcome == entry::said::unknown && one->what != entry::kind::erase) unknown[one->value] = one;
      if (one->outcome == entry::said::unknown && one->what == entry::kind::erase) lost_erasures_.push_back(one);
      if (one->outcome != entry::said::committed) continue;
      if (const auto [there, fresh] = writes.emplace(one->revision, one); !fresh)
        wrong("revision " + number(one->revision) + " was given to client " + there->second->client + " and to client " +
              one->client);
    }
    for (const entry* one : all_) {
      const bool sees = (one->what == entry::kind::read && one->outcome == entry::said::committed) ||
                        one->outcome == entry::said::conflict;
      if (!sees || one->revision <= 0 || writes.contains(one->revision)) continue;
      const auto maker = unknown.find(one->value);
      if (maker == unknown.end()) {
        // A conflict may tell the revision only; then any write of unknown fate may be the one.
        if (one->outcome == entry::said::conflict && one->value.empty()) continue;
        wrong("client " + one->client + " saw \"" + one->value + "\" at revision " + number(one->revision) + ", which nobody wrote there");
        continue;
      }
      writes.emplace(one->revision, maker->second);
      unknown.erase(maker);
    }
    infer_writes(writes, unknown);
    states_.push_back({});
    for (const auto& [revision, one] : writes)
      states_.push_back({revision, one->what != entry::kind::erase, one->what != entry::kind::erase ? one->value : "", one->start,
                         one->outcome == entry::said::unknown ? INT64_MAX : one->end, one->client});
    for (const auto& [revision, one] : writes) made_by_[revision] = one;
  }

  /// A revision that a write expected was there: when nobody is known to have written it, somebody whose fate is unknown
  /// did. Which of them does not matter; with what value cannot be told, and nobody has read it.
  void infer_writes(std::map<std::int64_t, const entry*>& writes, const std::map<std::string, const entry*>& unknown) {
    std::int64_t first = INT64_MAX;
    for (const auto& [value, one] : unknown) first = std::min(first, one->start);
    for (const auto& [revision, one] : std::map(writes)) {
      if (one->expected == 0 || writes.contains(one->expected)) continue;
      if (unknown.empty()) {
        wrong("client " + one->client + " replaced revision " + number(one->expected) + ", which nobody wrote");
        continue;
      }
      entry& made = inferred_.emplace_back();
      made.client = "?";
      made.what = entry::kind::update;  // Or a creation; both are believed.
      made.start = first;
      made.outcome = entry::said::unknown;
      writes.emplace(one->expected, &made);
    }
  }

  void check_writes() {
    std::int64_t begun = INT64_MIN;
    for (std::size_t i = 1; i < states_.size(); ++i) {
      const state& before = states_[i - 1];
      const entry& one = *made_by_.at(states_[i].revision);
      if (one.key.empty()) continue;  // Inferred.
      const std::string who = "client " + one.client + "'s write at revision " + number(states_[i].revision);
      if (one.what == entry::kind::create && before.live && !may_be_erased(before, one))
        wrong(who + " created what was there at revision " + number(before.revision));
      if (one.what != entry::kind::create && !before.live) wrong(who + " changed what was not there");
      if (one.what != entry::kind::create && before.live && one.expected != 0 && one.expected != before.revision)
        wrong(who + " expected revision " + number(one.expected) + ", but " + number(before.revision) + " stood there: an update was lost");
      if (states_[i].end < begun) wrong(who + " had ended before a write with a lower revision began");
      begun = std::max(begun, states_[i].start);
    }
  }
  /// An erasure of unknown fate has no value by which it could be seen; it may explain a creation.
  bool may_be_erased(const state& present, const entry& by) const {
    return std::any_of(lost_erasures_.begin(), lost_erasures_.end(), [&](const entry* one) {
      return (one->expected == 0 || one->expected == present.revision) && one->start <= by.end;
    });
  }

  struct look {
    const entry* who;
    std::size_t group = 0;  ///< Index of the state it saw.
  };
  void check_reads() {
    std::vector<look> looks;
    for (const entry* one : all_)
      if (one->outcome == entry::said::conflict || (one->what == entry::kind::read && one->outcome == entry::said::committed))
        looks.push_back({one});
    std::sort(looks.begin(), looks.end(), [](const look& a, const look& b) { return a.who->start < b.who->start; });
    prepare();
    // What ended before the present one began: nobody looks further back than that.
    std::multimap<std::int64_t, std::size_t> open;  // end -> group
    std::size_t least = 0;
    for (look& one : looks) {
      while (!open.empty() && open.begin()->first < one.who->start) {
        least = std::max(least, open.begin()->second);
        open.erase(open.begin());
      }
      if (place(one, least)) open.emplace(one.who->end, one.group);
    }
  }
  /// begun_[i]: when the last of the writes up to i began; ended_[i]: when the first of those after i had ended.
  void prepare() {
    begun_.resize(states_.size());
    ended_.assign(states_.size(), INT64_MAX);
    for (std::size_t i = 1; i < states_.size(); ++i) begun_[i] = std::max(states_[i].start, i > 1 ? begun_[i - 1] : INT64_MIN);
    begun_[0] = INT64_MIN;
    for (std::size_t i = states_.size() - 1; i > 0; --i) ended_[i - 1] = std::min(ended_[i], states_[i].end);
  }
  /// The earliest state that fits, not before `least`: whoever looks later is least bound by it.
  bool place(look& one, std::size_t least) {
    const entry& e = *one.who;
    bool stale = false, fits_value = false;
    const state* told = e.revision > 0 ? at(e.revision) : nullptr;
    if (e.revision > 0 && told == nullptr) return false;  // A conflict with a write of unknown fate.
    const auto first = told != nullptr ? static_cast<std::size_t>(told - states_.data()) : 0;
    for (std::size_t i = first; i < (told != nullptr ? first + 1 : states_.size()); ++i) {
      if (!shows(states_[i], e)) continue;
      fits_value = true;
      if (begun_[i] > e.end) continue;
      if (ended_[i] < e.start || i < least) {
        stale = true;
        continue;
      }
      one.group = i;
      return true;
    }
    if (!lost_erasures_.empty() && e.revision == 0) return false;
    const std::string who = "client " + e.client + (e.what == entry::kind::read ? " read" : " was refused because of");
    const std::string what = e.revision == 0 ? " nothing" : " revision " + number(e.revision) + " \"" + e.value + "\"";
    if (!fits_value) wrong(who + what + ", which was never there" + (e.outcome == entry::said::conflict ? " or is what it expected" : ""));
    else wrong(who + what + (stale ? " although a newer one had been seen or written before: a stale read" : " before it was written"));
    return false;
  }
  bool shows(const state& of, const entry& e) const {
    if (e.what == entry::kind::read)
      return e.revision == 0 ? !of.live : of.live && of.revision == e.revision && of.value == e.value;
    if (e.revision > 0 && (!of.live || (!e.value.empty() && of.value != e.value))) return false;
    if (e.revision == 0 && of.live) return false;
    switch (e.what) {  // A conflict: the state must be one that refuses it.
      case entry::kind::create: return of.live;
      case entry::kind::update: return !of.live || of.revision != e.expected;
      default: return !of.live || (e.expected != 0 && of.revision != e.expected);
    }
  }

  std::string key_;
  std::vector<const entry*> all_;
  std::vector<std::string>& out_;
  std::vector<state> states_;
  std::map<std::int64_t, const entry*> made_by_;
  std::vector<const entry*> lost_erasures_;
  std::deque<entry> inferred_;
  std::vector<std::int64_t> begun_, ended_;
  bool broken_ = false;
};
}  // namespace

std::vector<std::string> violations(const std::vector<history_entry>& history, std::size_t limit) {
  std::map<std::string, std::vector<const entry*>> by_key;
  for (const auto& one : history) by_key[one.key].push_back(&one);
  std::vector<std::string> out;
  for (auto& [key, all] : by_key) {
    register_check(key, std::move(all), out).run();
    if (out.size() >= limit) break;
  }
  if (out.size() > limit) out.resize(limit);
  return out;
}

}  // namespace troupe::testing
