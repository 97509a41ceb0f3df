#include "actors/controllers/workshop/workshop.hpp"

#include <deque>
#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/workshop/duties.hpp"
#include "actors/model/schema/schema.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

/// One plan on its way. Shared by the continuations of its calls.
struct errand {
  duty what;
  plan todo;
  std::size_t stage = 0, left = 0;
  bool failed = false, dropped = false;   ///< Dropped: it turned out that there is nothing to do.
  std::string why;
};
using errand_ptr = std::shared_ptr<errand>;

// change -> store -> concerned duties -> pump: decide, carry out stage by stage -> answers -> store -> concerned duties
class workshop_state {
 public:
  static constexpr const char* name = "workshop";
  explicit workshop_state(rt::self<controller_actor> self) : self_(self) {}
  ~workshop_state() {
    for (const auto& each : reflectors_) rt::end(each);
  }

  void init(const rt::world& in, workshop_config config, client::api_actor api) {
    world_ = &in;
    config_ = std::move(config);
    told_ = model::event_counter(config_.told_max);
    api_ = std::move(api);
    auto me = caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_));
    for (const auto& kind : model::schema::kinds()) {
      if (kind.storage != kind.index || !kind.can(model::schema::verb_list | model::schema::verb_watch) || !follows(kind.plural)) continue;
      const std::string plural(kind.plural);
      const bool whole = follows_whole(plural);
      client::reflector_config how{collection_path(plural, ""), whole ? "" : "bound=true", !whole};
      reflectors_.push_back(client::make_reflector(in, std::move(how), api_, me));
      plurals_[reflectors_.back()->id()] = plural;
    }
  }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { learn(sender(), got.key, std::move(got.object)); },
        [this](client::object_lost& got) { lose_told(sender(), got); },
        [this](client::kind_synced) { synced(sender()); },
        [this](tick_due) { due_ = false, wake(); },
    };
  }

 private:
  struct state {
    bool queued = false, busy = false, anew = false;   ///< Anew: something changed while it was worked on.
    unsigned failures = 0;
    std::string why;
    std::optional<mono_time> again;
    mono_time rests_until{};                           ///< It has just counted many: what changes meanwhile is seen together.
  };

  const std::string& sender() const {
    static const std::string nobody;
    const auto from = self_->current_sender();
    const auto found = from ? plurals_.find(from->id()) : plurals_.end();
    return found == plurals_.end() ? nobody : found->second;
  }

  // --- what there is ---------------------------------------------------------------------------

  void learn(const std::string& plural, const std::string& key, object_ptr object) {
    const auto before = all_.find(plural, key);
    if (before && uid_of(*before) != uid_of(*object)) lose(plural, key, uid_of(*before), true);
    if (before && before != object && meta(*before, "resourceVersion") == meta(*object, "resourceVersion")) return;
    if (!all_.put(plural, key, object)) return;
    if (before) note(concerned(all_, plural, key, *before, false));   // those it was let go by
    note(concerned(all_, plural, key, *object, false));
  }

  /// Its end says also who is not kept here, being nobody's: it may own something.
  void lose_told(const std::string& plural, const client::object_lost& got) {
    const auto uid = uid_of(*got.object);
    if (const auto gone = all_.drop(plural, got.key, uid, true)) note(concerned(all_, plural, got.key, *gone, true));
    else if (!all_.dependents(uid).empty()) note(concerned(all_, plural, got.key, *got.object, true));
  }

  void lose(const std::string& plural, const std::string& key, const std::string& uid, bool told) {
    if (const auto gone = all_.drop(plural, key, uid, told)) note(concerned(all_, plural, key, *gone, true));
  }

  void synced(const std::string& plural) {
    if (!synced_.insert(plural).second) return forget_owners(plural);
    if (synced_.size() < plurals_.size()) return;
    log::info("controllers.workshop_open", {{"duties", known_.size()}});
    pump();
  }

  /// The watch had a gap: owners that are not listed, being nobody's themselves, may have ended in it. Who needs one asks again.
  void forget_owners(const std::string& plural) {
    if (follows_whole(plural)) return;
    const auto known = all_.all(plural);
    for (const auto& [key, object] : known)
      if (dig(*object, "metadata", "ownerReferences").empty() && !is_going(*object)) lose(plural, key, uid_of(*object), true);
  }
  /// An owner that had to be asked for: its end will be told, so it is known from now on.
  void learn_owner(const std::string& plural, const json& object) {
    if (plural.empty() || !follows(plural)) return;
    const bool whole = follows_whole(plural);
    learn(plural, key_of(object), std::make_shared<const json>(whole ? object : json{{"apiVersion", dig(object, "apiVersion")}, {"kind", dig(object, "kind")}, {"metadata", dig(object, "metadata")}}));
  }

  // --- what is to be done ----------------------------------------------------------------------

  void note(const std::vector<duty>& all) {
    const auto now = world_->shard->now();
    for (const auto& each : all) {
      auto& one = known_[each];
      if (one.busy) one.anew = true;
      else if (!one.queued && now < one.rests_until) later(each, one, one.rests_until - now);
      else if (!std::exchange(one.queued, true)) queue_.push_back(each);
    }
    soon();
  }
  void soon() {
    if (synced_.size() == plurals_.size() && !std::exchange(due_, true)) self_->send(rt::strong<controller_actor>(self_), tick_due{});
  }

  void later(const duty& what, state& one, duration wait) {
    const auto at = world_->shard->now() + wait;
    if (one.again && *one.again <= at) return;
    if (one.again) waiting_.erase({*one.again, what});
    one.again = at;
    waiting_.insert({at, what});
    arm();
  }
  /// One tick outstanding, unless an earlier one is needed.
  void arm() {
    if (waiting_.empty()) return;
    const auto now = world_->shard->now();
    const auto first = waiting_.begin()->first;
    if (timer_ > now && timer_ <= first) return;
    timer_ = first;
    self_->delayed_send(rt::strong<controller_actor>(self_), std::max<duration>(first - now, duration(1)), tick_due{});
  }

  void wake() {
    const auto now = world_->shard->now();
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      const auto what = waiting_.begin()->second;
      waiting_.erase(waiting_.begin());
      auto& one = known_[what];
      one.again.reset();
      if (one.busy) one.anew = true;
      else if (!std::exchange(one.queued, true)) queue_.push_back(what);
    }
    arm();
    pump();
  }

  void pump() {
    if (synced_.size() < plurals_.size()) return;
    for (std::size_t i = 0; i < config_.round_max && !queue_.empty() && calls_ < config_.calls_max; ++i) {
      const auto what = queue_.front();
      queue_.pop_front();
      auto& one = known_[what];
      one.queued = false;
      begin(what, one);
    }
    if (!queue_.empty() && calls_ < config_.calls_max) soon();
  }

  void begin(const duty& what, state& one) {
    auto todo = decide(all_, what, {world_->wall->now(), one.why});
    const bool many = todo.looked_at >= config_.rest_from;
    if (many) one.rests_until = world_->shard->now() + std::min(config_.rest_each * static_cast<std::int64_t>(todo.looked_at), config_.rest_max);
    if (todo.again) later(what, one, *todo.again);
    if (todo.stages.empty()) {
      one.failures = 0;
      one.why.clear();
      if (!one.again && !many) known_.erase(what);
      return;
    }
    one.busy = true;
    auto run = std::make_shared<errand>();
    run->what = what;
    run->todo = std::move(todo);
    next(run);
  }

  // --- doing it --------------------------------------------------------------------------------

  void next(const errand_ptr& run) {
    if (run->failed || run->dropped || run->stage == run->todo.stages.size()) return finish(run);
    const auto& now = run->todo.stages[run->stage++];
    run->left = now.size();
    for (const auto& each : now) carry(run, each);
  }

  void finish(const errand_ptr& run) {
    auto& one = known_[run->what];
    one.busy = false;
    const bool anew = std::exchange(one.anew, false);
    if (run->failed) {
      one.why = run->why;
      duration wait = config_.retry_first;
      for (unsigned i = 0; i < one.failures && wait < config_.retry_max; ++i) wait *= 2;
      ++one.failures;
      later(run->what, one, std::min(wait, config_.retry_max));
    } else {
      one.failures = 0;
      one.why.clear();
      if (!run->dropped || anew) note({run->what});
    }
    pump();
  }

  void carry(const errand_ptr& run, const step& what) {
    ++calls_;
    client::api_call ask{what.method, what.path, what.body.is_null() ? "" : to_text(what.body), what.type, "", {}};
    auto done = [this, run, what = &what](const client::api_answer& got) {
      --calls_;
      settle(*run, *what, got);
      if (--run->left == 0) next(run);
    };
    self_->request(api_, caf::infinite, std::move(ask))
        .then([done](const client::api_answer& got) { done(got); },
              [done](caf::error& why) { done(client::api_answer{0, rt::reason(why).text()}); });
  }

  void settle(errand& run, const step& what, const client::api_answer& got) {
    auto object = parse_json(got.body);
    const json answer = object.ok() ? std::move(*object) : json();
    if (what.must_be_absent) {
      const bool there = got.ok() && (what.absent_uid.empty() || uid_of(answer) == what.absent_uid);
      if (there) run.dropped = true, learn_owner(what.plural, answer);
      if (there && run.todo.stages[run.stage - 1].size() > 1 && all_.find_uid(what.absent_uid)) known_[run.what].anew = true;   // of its other owners some may be gone
      else if (!got.ok() && got.status != 404) fail(run, what, got, answer);
      return;
    }
    if (got.status == 404 && what.may_be_gone) {
      if (what.gone) lose(what.plural, key_of(*what.gone), uid_of(*what.gone), false);
      return;
    }
    if (!got.ok()) return fail(run, what, got, answer);
    if (what.gone && (text_or(dig(answer, "kind")) == "Status" || !is_going(answer))) lose(what.plural, key_of(*what.gone), uid_of(*what.gone), false);
    else if (!what.plural.empty() && !uid_of(answer).empty()) learn(what.plural, key_of(answer), std::make_shared<const json>(answer));
    say(what, what.done, answer, "");
  }

  void fail(errand& run, const step& what, const client::api_answer& got, const json& answer) {
    const auto why = text_or(dig(answer, "message"), got.body.substr(0, 300));
    run.failed = true;
    // A conflict says only that the world went on: look again.
    if (got.status == 409 && text_or(dig(answer, "reason")) != "AlreadyExists") return;
    if (what.method == "POST") run.why = why;
    if (got.status != 409)
      log::warn("controllers.step_failed", {{"duty", run.what.role + " " + run.what.key}, {"method", what.method}, {"path", what.path}, {"status", got.status}, {"why", why}});
    say(what, what.failed, answer, why);
  }

  void say(const step& what, model::event_words words, const json& answer, const std::string& why) {
    if (!what.about || words.reason.empty()) return;
    auto put = [&words](const char* mark, const std::string& text) {
      if (const auto at = words.message.find(mark); at != std::string::npos) words.message.replace(at, std::string_view(mark).size(), text);
    };
    put("{name}", meta(answer, "name"));
    put("{why}", why);
    client::say_event(told_.say(*what.about, words, world_->wall->now()), [this](auto&&... how) { call(self_, api_, how...); });
  }

  rt::self<controller_actor> self_;
  const rt::world* world_ = nullptr;
  workshop_config config_;
  client::api_actor api_;
  std::vector<client::watcher_actor> reflectors_;
  std::map<caf::actor_id, std::string> plurals_;
  std::set<std::string> synced_;
  store all_;
  std::map<duty, state> known_;                 ///< Those that wait, rest, are worked on or have failed.
  std::deque<duty> queue_;
  std::set<std::pair<mono_time, duty>> waiting_;
  model::event_counter told_;
  std::size_t calls_ = 0;
  bool due_ = false;
  mono_time timer_{};
};

}  // namespace

controller_actor make_workshop(const rt::world& in, workshop_config config, client::api_actor api) {
  return rt::spawn<controller_actor, workshop_state>(in, "", in, std::move(config), std::move(api));
}

}  // namespace troupe::controllers
