#include "actors/apiserver/resources/kind_keeper.hpp"

#include <algorithm>

#include "actors/apiserver/resources/at_rest.hpp"
#include "actors/apiserver/resources/rules/relaxed.hpp"
#include "actors/apiserver/resources/job.hpp"
#include "actors/apiserver/resources/kept.hpp"
#include "actors/apiserver/resources/rewriting.hpp"
#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/apiserver/wire/decode.hpp"
#include "actors/apiserver/wire/render.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::apiserver {
namespace {
using outcome = storage::outcome;

class kind_keeper_state {
 public:
  static constexpr const char* name = "kind_keeper";
  explicit kind_keeper_state(rt::self<kind_keeper_actor> self) : self_(self) {}

  void init(const rt::world& in, keeper_config config, datastore::writer_actor writer) {
    config_ = std::move(config);
    kind_ = config_.kind;
    rest_.use(config_.envelope, all_);
    writer_ = std::move(writer);
    wall_ = in.wall;
    chance_ = in.chance;
    dice_ = in.dice.fork("kind_keeper").fork(kind_->plural);
    if (kind_->plural == "services") ranges_.emplace(config_.services, dice_.fork("ranges"));
  }

  kind_keeper_actor::behavior_type make_behavior() {
    return {
        [this](write_object& ask) { return take(std::move(ask)); },
        [this](catch_up) { return catch_up_now(); },
        [this](start_keeping& ask) { return start(std::move(ask.to)); },
        [this](datastore::changes_published& news) { hear(news); },
        [this](namespaces_changed& news) { namespaces_ = std::move(news.active); },
        [this](attempt_due& again) { again.job ? attempt(std::static_pointer_cast<job>(again.job)) : read_anew(); },
        [this](expiry_due) { expire(); },
        [this](const secrets::use_envelope& now) { return use(now.what); },
        [this](secrets::rewrite_stale) { return rewrite(); },
    };
  }

 private:
  std::string storage_key(std::string_view key) const { return std::string(kind_->storage_prefix).append(key); }

  caf::result<model::revision_number> start(change_sink_actor to) {
    sink_ = std::move(to);
    auto done = self_->make_response_promise<model::revision_number>();
    auto me = caf::actor_cast<datastore::follower_actor>(rt::strong<kind_keeper_actor>(self_));
    self_->request(writer_, caf::infinite, datastore::follow_prefix{std::string(kind_->storage_prefix), me})
        .then([this, done](storage::page& page) mutable { load(std::move(page), done); },
              [done](caf::error& why) mutable { done.deliver(std::move(why)); });
    return done;
  }

  void load(storage::page page, caf::typed_response_promise<model::revision_number> done) {
    for (auto& record : page.records) {
      auto doc = rest_.read(*kind_, std::string_view(record.key).substr(kind_->storage_prefix.size()), record.value, record.created, record.modified);
      if (!doc.ok()) {
        log::error("apiserver.object_unreadable", {{"key", record.key}, {"error", doc.why().text()}});
        continue;
      }
      if (ranges_) ranges_->hold(model::parse(**doc));
      all_ = all_.insert(std::move(*doc));
    }
    head_ = page.head;
    loaded_ = true;
    announce();
    catch_up_on_news();
    if (kind_->plural == "events")
      self_->delayed_send(rt::strong<kind_keeper_actor>(self_), config_.expire_every, expiry_due{});
    done.deliver(head_);
  }
  void catch_up_on_news() {
    for (auto& news : std::exchange(early_, {})) hear(news);
    if (std::exchange(lost_again_, false)) reload();
  }

  // Some changes were compacted away unseen: what there is now is compared with what was known.
  void reload() {
    if (!loaded_ || std::exchange(reloading_, true)) {   // what is being read may be older than this loss
      lost_again_ = true;
      return;
    }
    read_anew();
  }
  void read_anew() {
    auto me = caf::actor_cast<datastore::follower_actor>(rt::strong<kind_keeper_actor>(self_));
    self_->request(writer_, caf::infinite, datastore::follow_prefix{std::string(kind_->storage_prefix), me})
        .then([this](const storage::page& page) { compare(page); }, [this](caf::error&) {   // not at once again
          self_->delayed_send(rt::strong<kind_keeper_actor>(self_), reload_pause, attempt_due{nullptr});
        });
  }

  void compare(const storage::page& page) {
    auto seen = std::make_shared<std::vector<object_change>>();
    const auto found = differences(all_, page, kind_->storage_prefix);
    for (const auto& change : found) apply(change, *seen);
    head_ = std::max(head_, page.head);
    reloading_ = false;
    announce(std::move(seen));
    catch_up_on_news();
    if (!reloading_)
      for (auto& then : std::exchange(after_reload_, {})) then();
  }

  void hear(const datastore::changes_published& news) {
    if (news.lost) return reload();
    if (!loaded_ || reloading_) return early_.push_back(news);
    const auto before = head_;   // several changes may share a revision
    auto seen = std::make_shared<std::vector<object_change>>();
    for (const auto& change : *news.changes) {
      if (change.at <= before) continue;
      apply(change, *seen);
      head_ = change.at;
    }
    if (!seen->empty()) announce(std::move(seen));
  }

  void apply(const storage::change& change, std::vector<object_change>& seen) {
    const auto key = std::string_view(change.key).substr(kind_->storage_prefix.size());
    auto before = all_.find(key);
    if (change.erased) {
      rest_.forget(key);
      if (!before) return;
      if (ranges_) ranges_->release(model::parse(*before));
      all_ = all_.erase(key);
      seen.push_back({change.at, before, nullptr, model::with_revision(*before, change.at)});
      return;
    }
    auto doc = rest_.read(*kind_, key, change.value, change.created, change.at);
    if (!doc.ok()) {   // not ours: somebody wrote into the store by hand
      log::error("apiserver.object_unreadable", {{"key", change.key}, {"error", doc.why().text()}});
      return;
    }
    if (ranges_ && before) ranges_->release(model::parse(*before));
    if (ranges_) ranges_->hold(model::parse(**doc));
    all_ = all_.insert(*doc);
    seen.push_back({change.at, std::move(before), std::move(*doc), nullptr});
  }

  void announce(std::shared_ptr<const std::vector<object_change>> seen = std::make_shared<const std::vector<object_change>>()) {
    // Keepers first: whoever sees a new namespace in a watch may write into it at once.
    if (kind_->plural == "namespaces")
      for (auto active = active_namespaces(all_); auto& keeper : config_.told_of_namespaces) self_->send(keeper, namespaces_changed{active});
    self_->send(sink_, changes_applied{kind_->index, std::move(seen), all_, head_});
  }

  caf::result<model::revision_number> catch_up_now() {
    auto done = self_->make_response_promise<model::revision_number>();
    self_->request(writer_, caf::infinite, datastore::read_head{})
        .then([this, done](storage::revision head) {
          when_whole([this, done, head] {
            // What the shard published before it answered has been applied by now.
            head_ = std::max(head_, head);
            self_->send(sink_, changes_applied{kind_->index, std::make_shared<const std::vector<object_change>>(), all_, head_});
            auto to = done;
            to.deliver(head_);
          });
        }, [done](caf::error& why) mutable { done.deliver(std::move(why)); });
    return done;
  }
  /// Now, unless changes were lost and what there is has not been read anew yet: then after that.
  void when_whole(std::function<void()> then) {
    if (!reloading_) return then();
    after_reload_.push_back(std::move(then));
  }

  caf::result<written> take(write_object ask) {
    auto j = std::make_shared<job>();
    j->answer = self_->make_response_promise<written>();
    auto answer = j->answer;
    j->ask = std::move(ask);
    if (!loaded_) refuse(*j, unavailable("the server is still loading its objects"));
    else attempt(j);
    return answer;
  }

  void attempt(const job_ptr& j) {
    ++j->tries;
    j->claims = nullptr;
    switch (j->ask.what->what) {
      case verb::create: return create(j);
      case verb::update: return update(j);
      case verb::patch: return update(j);
      case verb::remove: return remove(j);
      case verb::remove_collection: return remove_many(j);
      default: return refuse(*j, method_not_allowed(to_string(j->ask.what->what), kind_->qualified()));
    }
  }

  void refuse(job& j, api_error why) {
    unreserve(j);
    // Another server may have written what this one has not heard of yet.
    const bool look = why.code == 404 || why.code == 409 || (why.code == 422 && (ranges_ || j.ask.what->what != verb::create)) || j.about_namespace;
    if (look && may_be_old(j) && j.looks < (j.about_namespace ? namespace_looks_max : looks_max)) return look_again(j.shared_from_this());
    j.answer.deliver(written{std::move(why), false, std::move(j.warnings)});
  }
  bool may_be_old(const job& j) const { return config_.shared && !j.certain; }
  bool first_look(const job& j) const { return may_be_old(j) && j.looks == 0; }
  /// After a lost race: on what stands now.
  void attempt_anew(const job_ptr& j) {
    if (!config_.shared) return attempt(j);
    j->looks = 0;
    look_again(j);
  }
  void look_again(const job_ptr& j) {
    const auto wait = std::chrono::milliseconds(j->looks++ == 0 && !j->about_namespace ? 0 : 30);
    j->about_namespace = false;
    self_->request(writer_, caf::infinite, datastore::read_head{})
        .then([this, j, wait](storage::revision) {
          when_whole([this, j, wait] {
            j->warnings.clear();
            if (wait.count() == 0) return attempt(j);
            self_->delayed_send(rt::strong<kind_keeper_actor>(self_), wait, attempt_due{j});
          });
        }, [this, j](caf::error& why) {
          if (j->waits++ == waits_max) return refuse(*j, unavailable("the datastore is away: " + rt::reason(why).note));
          --j->looks;   // it has not been one
          self_->delayed_send(rt::strong<kind_keeper_actor>(self_), wait_pause, attempt_due{j});
        });
  }
  void answer(job& j, model::document_ptr doc) {
    written out{doc, j.created, std::move(j.warnings)};
    if (auto text = part_answer(j.ask.what->subresource, *doc)) out.answer = std::move(*text);
    j.answer.deliver(std::move(out));
  }
  void unreserve(job& j) { if (std::exchange(j.reserved, false)) ranges_->give_back(j.plan, j.grant); }

  write_context context(const job& j) const { return context_of(j, wall_->now()); }

  void create(const job_ptr& j) {
    const target& t = *j->ask.what;
    auto body = read_body(j);
    if (!body) return;
    if (t.subresource.empty()) return create_from(j, std::move(*body));
    const auto present = all_.find(object_key(t.ns, t.name));   // a binding
    if (!present) return refuse(*j, not_found(*kind_, t.name));
    j->created = true;
    change(j, present, model::parse(*present), std::move(*body), context(*j), true);
  }

  /// Nothing when it was refused (and answered).
  std::optional<json> read_body(const job_ptr& j) {
    const target& t = *j->ask.what;
    auto body = decode_body(j->ask.content_type, j->ask.body, *t.kind, t.subresource, t.ask.validation);
    if (auto* bad = std::get_if<api_error>(&body)) return refuse(*j, std::move(*bad)), std::nullopt;
    j->warnings = std::move(std::get<decoded>(body).warnings);
    return std::move(std::get<decoded>(body).object);
  }

  void create_from(const job_ptr& j, json body) {
    if (auto bad = restrict_create(j->ask.user, *j->ask.what, body)) return refuse(*j, std::move(*bad));
    auto ctx = context(*j);
    ctx.uid = chance_->uuid();
    for (int i = 0; i < 5; ++i) ctx.name_suffix.push_back(generate_name_alphabet[dice_.below(generate_name_alphabet.size())]);
    const std::string generate_name = text_or(dig(body, "metadata", "generateName"));
    const bool generated = text_or(dig(body, "metadata", "name")).empty() && !generate_name.empty();
    auto made = prepare_create(*kind_, std::move(body), ctx);
    if (auto* bad = std::get_if<api_error>(&made)) return refuse(*j, std::move(*bad));
    auto& object = std::get<json>(made);
    const auto name = text_or(dig(object, "metadata", "name"));
    if (auto bad = j->ask.admit ? j->ask.admit(object) : std::nullopt) return refuse(*j, std::move(*bad));
    if (auto bad = namespace_refusal(*kind_, namespaces_.get(), ctx.ns, name)) {
      j->about_namespace = true;
      return refuse(*j, std::move(*bad));
    }
    const std::string key = object_key(ctx.ns, name);
    if (all_.find(key)) return taken(j, name, generated ? generate_name : "");
    if (!reserve(*j, json(), object, name, storage_key(key))) return;
    j->created = true;
    store(j, storage::operation{storage::operation::kind::create, storage_key(key), {}, 0}, to_text(object),
          [this, j, name, generated, generate_name](const outcome&) {
            j->certain = true;
            taken(j, name, generated ? generate_name : "");
          });
  }

  void taken(const job_ptr& j, const std::string& name, const std::string& generate_name) {
    unreserve(*j);
    if (generate_name.empty()) return refuse(*j, already_exists(*kind_, name));
    if (j->tries < generate_tries_max) return attempt(j);
    refuse(*j, generated_name_conflict(*kind_, generate_name));
  }

  void update(const job_ptr& j) {
    const target& t = *j->ask.what;
    const auto present = all_.find(object_key(t.ns, t.name));
    const auto ctx = context(*j);
    if (t.what == verb::update) {
      auto body = read_body(j);
      if (!body) return;
      if (!present && (!kind_->create_on_update || !t.subresource.empty())) return refuse(*j, not_found(*kind_, t.name));
      if (!present) return create_from(j, std::move(*body));
      const bool retry = text_or(dig(*body, "metadata", "resourceVersion")).empty();
      return change(j, present, model::parse(*present), std::move(*body), ctx, retry);
    }
    if (!present) return refuse(*j, not_found(*kind_, t.name));
    const json old = model::parse(*present);
    auto patched = t.subresource == "scale" ? patch_scale(j->ask.content_type, old, j->ask.body, ctx) : apply_patch(*kind_, j->ask.content_type, old, j->ask.body, ctx);
    if (auto* bad = std::get_if<api_error>(&patched)) return refuse(*j, std::move(*bad));
    auto& got = std::get<prepared>(patched);
    j->warnings = std::move(got.warnings);
    change(j, present, old, std::move(got.object), ctx, true);  // a patch with a revision fails by itself
  }

  void change(const job_ptr& j, const model::document_ptr& present, const json& old, json body, const write_context& ctx, bool retry) {
    auto whole = apply_part(*kind_, ctx.subresource, old, std::move(body), ctx.now);
    if (auto* bad = std::get_if<api_error>(&whole)) return refuse(*j, std::move(*bad));
    auto made = prepare_update(*kind_, old, std::move(std::get<json>(whole)), part_rule(ctx.subresource), ctx);
    if (auto* bad = std::get_if<api_error>(&made)) return refuse(*j, std::move(*bad));
    auto& next = std::get<prepared>(made);
    if (auto bad = change_refusal(*j, old, next.object)) return refuse(*j, std::move(*bad));
    for (auto& w : next.warnings) j->warnings.push_back(std::move(w));
    // Nothing to write, and so nobody who would compare: what this server has may be old.
    if (next.unchanged) return first_look(*j) ? look_again(j) : answer(*j, present);
    auto lost = [this, j, retry](const outcome&) {
      unreserve(*j);
      if (retry && j->tries < patch_tries_max) return attempt_anew(j);
      j->certain = true;
      refuse(*j, conflict(*kind_, j->ask.what->name));
    };
    const std::string key = storage_key(present->key());
    if (next.erase) {
      give_up_claims(*j, *present);
      return store(j, {storage::operation::kind::erase, key, {}, present->modified()}, to_text(next.object), lost);
    }
    if (!reserve(*j, old, next.object, ctx.name, key)) return;
    const bool relaxed = relaxed_by_content(*kind_, ctx.subresource, old, next.object);
    store(j, {storage::operation::kind::update, key, {}, present->modified(), relaxed}, to_text(next.object), lost);
  }

  /// False when it was refused (and answered).
  bool reserve(job& j, const json& old, json& object, std::string_view name, std::string_view key) {
    if (!ranges_) return true;
    j.plan = plan_allocation(old, object);
    auto granted = ranges_->reserve(j.plan, name);
    if (auto* bad = std::get_if<api_error>(&granted)) return refuse(j, std::move(*bad)), false;
    j.grant = std::move(std::get<allocation_grant>(granted));
    j.reserved = true;
    grant_allocation(object, j.plan, j.grant);
    j.claims = config_.shared ? claims_of(j.plan, j.grant, key) : nullptr;
    return true;
  }
  void give_up_claims(job& j, const model::document& gone) {
    if (ranges_ && config_.shared) j.claims = claims_of(holdings(model::parse(gone)), {}, {});
  }
  /// Another server has given away what this one thought was free: look at what it did, then take another.
  void claimed(const job_ptr& j, const outcome& got) {
    unreserve(*j);
    auto final = claim_refusal(j->plan, got.note, j->ask.what->name);
    if (j->looks > 0 && !final && j->tries >= claim_tries_max) final = storage_refusal(got, *kind_, j->ask.what->name);
    if (j->looks == 0 || !final) return look_again(j);
    j->certain = true;
    refuse(*j, std::move(*final));
  }

  void remove(const job_ptr& j) {
    const target& t = *j->ask.what;
    const auto present = all_.find(object_key(t.ns, t.name));
    if (!present) return refuse(*j, not_found(*kind_, t.name));
    auto wanted = decode_delete_options(j->ask.content_type, j->ask.body, t.ask);
    if (auto* bad = std::get_if<api_error>(&wanted)) return refuse(*j, std::move(*bad));
    auto plan = plan_delete(*kind_, model::parse(*present), std::get<json>(wanted), context(*j));
    if (auto* bad = std::get_if<api_error>(&plan)) return refuse(*j, std::move(*bad));
    j->warnings = warnings_of_delete(*kind_, std::get<json>(wanted));
    if (std::holds_alternative<already_deleting>(plan)) return first_look(*j) ? look_again(j) : answer(*j, present);
    auto lost = [this, j](const outcome&) {
      if (j->tries < patch_tries_max) return attempt_anew(j);
      j->certain = true;
      refuse(*j, conflict(*kind_, j->ask.what->name));
    };
    const std::string key = storage_key(present->key());
    if (auto* first = std::get_if<update_first>(&plan))
      return store(j, {storage::operation::kind::update, key, {}, present->modified()}, to_text(first->object), lost);
    erase(j, present, std::get<erase_now>(plan).answer_object, lost);
  }

  template <class Lost> void erase(const job_ptr& j, const model::document_ptr& present, bool whole, Lost lost) {
    if (j->ask.what->ask.dry_run) return finish_erase(*j, *present, whole, present->modified());
    give_up_claims(*j, *present);
    storage::operation what{storage::operation::kind::erase, storage_key(present->key()), {}, present->modified(), false, j->claims};
    self_->request(writer_, caf::infinite, datastore::commit_operation{std::move(what)})
        .then([this, j, present, whole, lost](outcome& got) {
          if (got.what == outcome::kind::committed) return finish_erase(*j, *present, whole, got.at);
          if (got.what == outcome::kind::conflict) return lost(got);
          refuse(*j, storage_refusal(got, *kind_, present->name()));
        }, [this, j](caf::error& why) { refuse(*j, from_error(rt::reason(why), *kind_, j->ask.what->name)); });
  }
  void finish_erase(job& j, const model::document& gone, bool whole, model::revision_number at) {
    if (whole) return answer(j, model::with_revision(gone, at));
    j.answer.deliver(written{deleted_json(*kind_, gone.name(), gone.uid()), false, std::move(j.warnings)});
  }

  void remove_many(const job_ptr& j) {
    if (first_look(*j)) return look_again(j);   // none that another server made may be missed
    const target& t = *j->ask.what;
    auto chosen = select_page(all_, head_, *t.kind, t.ns, t.ask).items;
    if (chosen.empty()) return finish_many(*j);
    auto left = std::make_shared<std::size_t>(chosen.size());
    auto first_refusal = std::make_shared<std::optional<api_error>>();
    auto me = rt::strong<kind_keeper_actor>(self_);
    for (const auto& item : chosen) {
      auto one = one_of(t, verb::remove, *item);
      auto settled = [j, left, first_refusal, this](std::optional<api_error> bad) {
        if (bad && bad->code != 404 && !*first_refusal) *first_refusal = std::move(bad);
        if (--*left == 0) *first_refusal ? refuse(*j, std::move(**first_refusal)) : finish_many(*j);
      };
      self_->request(me, caf::infinite, write_object{std::move(one), j->ask.body, j->ask.content_type, j->ask.user})
          .then([settled](written& got) {
            auto* bad = std::get_if<api_error>(&got.answer);
            settled(bad ? std::optional<api_error>(*bad) : std::nullopt);
          }, [settled](caf::error& why) { settled(internal_error(rt::reason(why).text())); });
    }
  }
  void finish_many(job& j) { j.answer.deliver(written{deleted_json(*kind_, "", ""), false, std::move(j.warnings)}); }

  template <class Lost> void store(const job_ptr& j, storage::operation what, std::string text, Lost lost) {
    const std::string key = what.key.substr(kind_->storage_prefix.size());
    if (j->ask.what->ask.dry_run) {
      unreserve(*j);
      auto doc = model::make_document(*kind_, text, 0, what.expected);
      if (!doc.ok()) return refuse(*j, internal_error(doc.why().text()));
      return answer(*j, std::move(*doc));
    }
    const bool erase = what.what == storage::operation::kind::erase;
    const bytes value(std::move(text));
    if (!erase) what.value = rest_.dress(value, *chance_);
    what.relaxed = what.relaxed || relaxed_by_place(*kind_, std::string_view(key).substr(0, key.find('/')), what.what);
    what.with = j->claims;
    self_->request(writer_, caf::infinite, datastore::commit_operation{std::move(what)})
        .then([this, j, key, value, lost](outcome& got) {
          if (got.what == outcome::kind::claimed) return claimed(j, got);
          if (got.what == outcome::kind::conflict) return lost(got);
          if (got.what != outcome::kind::committed) return refuse(*j, storage_refusal(got, *kind_, j->ask.what->name));
          unreserve(*j);  // the change feed holds it now
          auto doc = all_.find(key);
          if (!doc || doc->modified() != got.at) {  // changed again, or erased, in the same breath
            auto mine = model::make_document(*kind_, value.view(), 0, got.at);
            if (!mine.ok()) return refuse(*j, internal_error(mine.why().text()));
            doc = std::move(*mine);
          }
          answer(*j, std::move(doc));
        }, [this, j](caf::error& why) { refuse(*j, from_error(rt::reason(why), *kind_, j->ask.what->name)); });
  }

  /// What could not be read may have come under a key that is only known now.
  caf::result<bool> use(std::shared_ptr<const net::tls::envelope> by) {
    rest_.use(std::move(by), all_);
    if (rest_.unreadable() > 0 && loaded_) reload();
    auto done = self_->make_response_promise<bool>();
    when_whole([done]() mutable { done.deliver(true); });
    return done;
  }
  caf::result<secrets::rewritten> rewrite() {
    if (!loaded_ || reloading_) return rt::refuse(errc::unavailable, "the server is still loading its objects");
    return rewrite_stale(self_, writer_, rest_, all_, kind_->storage_prefix, *chance_);
  }

  /// Events do not live for ever.
  void expire() {
    self_->delayed_send(rt::strong<kind_keeper_actor>(self_), config_.expire_every, expiry_due{});
    for (const auto& item : outlived(all_, to_rfc3339(wall_->now() - config_.event_life), config_.events_max))
      rt::post(writer_, datastore::commit_operation{{storage::operation::kind::erase, storage_key(item->key()), {},
                                                     item->modified(), relaxed_by_place(*kind_, item->ns(), storage::operation::kind::erase)}});
  }

  rt::self<kind_keeper_actor> self_;
  keeper_config config_;
  const schema::kind* kind_ = nullptr;
  datastore::writer_actor writer_;
  change_sink_actor sink_;
  const wall_clock* wall_ = nullptr;
  entropy* chance_ = nullptr;
  rng dice_{0};
  model::snapshot all_;
  at_rest rest_;
  model::revision_number head_ = 0;
  bool loaded_ = false, reloading_ = false, lost_again_ = false;
  std::vector<datastore::changes_published> early_;
  std::vector<std::function<void()>> after_reload_;
  std::shared_ptr<const std::map<std::string, bool, std::less<>>> namespaces_;
  std::optional<service_ranges> ranges_;
};

}  // namespace

kind_keeper_actor make_kind_keeper(const rt::world& in, keeper_config config, datastore::writer_actor writer) {
  return rt::spawn<kind_keeper_actor, kind_keeper_state>(in, std::string(config.kind->plural), in, std::move(config), std::move(writer));
}

}  // namespace troupe::apiserver
