#include "actors/apiserver/watch/fan.hpp"

#include <algorithm>

namespace troupe::apiserver {
namespace {
std::string_view type_name(event_type type) {
  switch (type) {
    case event_type::added: return "ADDED";
    case event_type::modified: return "MODIFIED";
    case event_type::deleted: return "DELETED";
    case event_type::bookmark: return "BOOKMARK";
    case event_type::error: return "ERROR";
  }
  return "ERROR";
}
std::size_t weight(const object_change& change) {
  const auto& doc = change.now ? change.now : change.last;
  return doc ? doc->text().size() : 0;
}
}  // namespace

/// One event in one representation, made when the first watcher asks for it.
struct watch_fan::encoded {
  const model::document* item;
  event_type type;
  const schema::kind* served;
  representation as;
  bool first;
  bytes line;
  std::shared_ptr<const json> object;
};

bool watch_fan::matches(const watcher& w, const model::document& item, bool at_its_end) const {
  if (!w.what.ns.empty() && item.ns() != w.what.ns) return false;
  const auto& ask = w.what.asked->ask;
  return (!ask.bound || at_its_end || model::is_bound(item)) && ask.labels.matches(item) && ask.fields.matches(item);
}

void watch_fan::keep(const object_change& change) {
  kept_.push_back(change);
  kept_bytes_ += weight(change);
  while (kept_.size() > config_.kept_changes_max || kept_bytes_ > config_.kept_bytes_max) {
    kept_bytes_ -= weight(kept_.front());
    floor_ = kept_.front().at;
    kept_.pop_front();
  }
}

void watch_fan::hear(const changes_applied& news, wall_time now) {
  if (!loaded_) floor_ = news.head;
  loaded_ = true;
  all_ = news.all;
  head_ = std::max(head_, news.head);
  // Several changes may share a revision: who had not come to it gets all of them.
  for (auto& w : watchers_) w->before = w->seen;
  for (const auto& change : *news.changes) {
    keep(change);
    std::vector<encoded> cache;
    for (auto& w : watchers_) deliver(*w, change, cache, now);
  }
  std::erase_if(watchers_, [](const auto& w) { return w->broken; });
}

void watch_fan::deliver(watcher& to, const object_change& change, std::vector<encoded>& cache, wall_time now) {
  if (to.broken || change.at <= to.before) return;
  to.seen = std::max(to.seen, change.at);
  const bool was = change.before && matches(to, *change.before, !change.now);   // who was nobody's may have been somebody's owner
  const bool is = change.now && matches(to, *change.now);
  if (!was && !is) return;
  if (is) return send(to, was ? event_type::modified : event_type::added, *change.now, cache, now);
  // Leaving the selection looks like a deletion: the last matching state at the new revision.
  const auto last = change.last ? change.last : model::with_revision(*change.before, change.at);
  send(to, event_type::deleted, *last, cache, now);
  // The cache compares addresses, so a document made here must not be mistaken for a later one.
  if (!change.last) cache.clear();
}

void watch_fan::send(watcher& to, event_type type, const model::document& item, std::vector<encoded>& cache,
                     wall_time now) {
  const auto& how = to.what.how;
  const bool first = std::exchange(to.first, false);
  auto found = std::find_if(cache.begin(), cache.end(), [&](const encoded& e) {
    return e.item == &item && e.type == type && e.served == how.served && e.as == how.as && e.first == first;
  });
  if (found == cache.end()) {
    cache.push_back({&item, type, how.served, how.as, first, {}, nullptr});
    found = cache.end() - 1;
  }
  if (to.what.to->wants_objects()) {
    if (!found->object) found->object = std::make_shared<const json>(model::parse(item));
    to.what.to->event(type_name(type), found->object);
  } else {
    if (found->line.empty()) {
      rendering with = how;
      with.now = now;
      found->line = bytes(render_watch_event(with, type, item, first));
    }
    to.what.to->line(found->line);
  }
  if (to.what.to->unsent() > config_.unsent_max) {
    to.broken = true;
    to.what.to->end(false, "the watcher is too slow");
  }
}

std::variant<watch_fan::watcher_id, api_error> watch_fan::open(watch_request& request, wall_time now) {
  const auto& ask = request.asked->ask;
  const bool from_now = !ask.resource_version || *ask.resource_version == 0 || ask.initial_events;
  if (!from_now && *ask.resource_version < floor_) return too_old_version(*ask.resource_version, floor_);
  auto made = std::make_unique<watcher>();
  made->id = ++numbers_;
  made->what = std::move(request);
  watcher& w = *made;
  std::vector<encoded> cache;
  if (from_now) {
    w.seen = head_;
    all_.each("", [&](const model::document_ptr& item) {
      if (matches(w, *item)) send(w, event_type::added, *item, cache, now), cache.clear();
      return !w.broken;
    });
    if (ask.initial_events && !w.what.to->wants_objects())
      w.what.to->line(bytes(render_bookmark(w.what.how, head_, true, std::exchange(w.first, false))));
  } else {
    w.seen = w.before = *ask.resource_version;
    const auto first = std::upper_bound(kept_.begin(), kept_.end(), w.seen,
                                        [](model::revision_number at, const object_change& c) { return at < c.at; });
    for (auto it = first; it != kept_.end() && !w.broken; ++it) deliver(w, *it, cache, now), cache.clear();
  }
  const auto id = w.id;
  if (!w.broken) watchers_.push_back(std::move(made));
  return id;
}

void watch_fan::close(watcher_id which, bool in_order, std::string_view why) {
  const auto found = std::find_if(watchers_.begin(), watchers_.end(), [&](const auto& w) { return w->id == which; });
  if (found == watchers_.end()) return;
  auto gone = std::move(*found);
  watchers_.erase(found);
  if (in_order && gone->what.asked->ask.bookmarks && !gone->what.to->wants_objects())
    gone->what.to->line(bytes(render_bookmark(gone->what.how, std::max(head_, gone->seen), false, gone->first)));
  gone->what.to->end(in_order, why);
}

void watch_fan::bookmark(wall_time now) {
  for (auto& w : watchers_) {
    if (!w->what.asked->ask.bookmarks || w->what.to->wants_objects()) continue;
    auto how = w->what.how;
    how.now = now;
    w->what.to->line(bytes(render_bookmark(how, std::max(head_, w->seen), false, std::exchange(w->first, false))));
  }
}

void watch_fan::end_all(std::string_view why) {
  auto gone = std::move(watchers_);
  watchers_.clear();
  for (auto& w : gone) w->what.to->end(true, why);
}

}  // namespace troupe::apiserver
