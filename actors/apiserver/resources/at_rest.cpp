#include "actors/apiserver/resources/at_rest.hpp"

namespace troupe::apiserver {

void at_rest::use(std::shared_ptr<const net::tls::envelope> by, const model::snapshot& all) {
  const bool same = by_ && by && by_->writes_as(*by);
  by_ = std::move(by);
  if (same) return;
  stale_.clear();
  // Which of them are under the first key already is not worth remembering: once more does no harm.
  if (by_) all.each("", [&](const model::document_ptr& one) { return stale_.emplace(one->key()), true; });
}

result<model::document_ptr> at_rest::read(const model::schema::kind& kind, std::string_view key, const bytes& value,
                                          model::revision_number created, model::revision_number modified) {
  if (!by_) return model::make_document(kind, value.view(), created, modified);
  forget(key);
  auto opened = by_->open(value.view());
  auto made = opened.ok() ? model::make_document(kind, opened->plain, created, modified) : result<model::document_ptr>(opened.why());
  if (made.ok() && !opened->was_plain && ((*made)->key() != key || !parse_json(opened->plain).ok()))
    made = fail(errc::corrupt, "it decrypts to something else than this object: its value in the datastore was altered or exchanged");
  if (!made.ok()) unreadable_.emplace(key);
  else if (!opened->current) stale_.emplace(key);
  return made;
}

bytes at_rest::dress(const bytes& text, entropy& chance) const {
  if (!by_ || by_->writes_plain()) return text;
  return bytes(by_->close(text.view(), chance.draw(net::tls::envelope_iv_bytes)));
}

void at_rest::forget(std::string_view key) {
  if (const auto found = stale_.find(key); found != stale_.end()) stale_.erase(found);
  if (const auto found = unreadable_.find(key); found != unreadable_.end()) unreadable_.erase(found);
}

std::vector<std::string> at_rest::next_stale(std::size_t most) const {
  std::vector<std::string> out;
  for (auto at = stale_.begin(); at != stale_.end() && out.size() < most; ++at) out.push_back(*at);
  return out;
}

}  // namespace troupe::apiserver
