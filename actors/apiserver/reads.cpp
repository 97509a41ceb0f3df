#include "actors/apiserver/reads.hpp"

#include <algorithm>

#include "actors/apiserver/respond.hpp"

namespace troupe::apiserver {

std::variant<page, api_error> kept_pages::choose(std::uint16_t kind, const model::snapshot& all,
                                                 model::revision_number head, const target& asked, mono_time now) {
  const auto& ask = asked.ask;
  if (ask.match != version_match::unset && !ask.resource_version)
    return invalid_options("ListOptions", {forbidden_value("resourceVersionMatch",
                           "resourceVersionMatch is forbidden unless resourceVersion is provided")});
  if (!ask.continue_token.empty()) {
    if (ask.match != version_match::unset)
      return invalid_options("ListOptions", {forbidden_value("resourceVersionMatch",
                             "resourceVersionMatch is forbidden when continue is provided")});
    const auto mark = decode_mark(ask.continue_token);
    if (!mark) return bad_request("continue key is not valid");
    if (mark->revision == 0) return select_page(all, head, *asked.kind, asked.ns, ask, mark->start);
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const kept& k) { return k.kind == kind && k.at == mark->revision; });
    if (found == kept_.end()) {
      auto gone = expired("The provided continue parameter is too old to display a consistent list result. You can "
                          "start a new list without the continue parameter, or use the continue token in this "
                          "response to retrieve the remainder of the results. Continuing with the provided token "
                          "results in an inconsistent list - objects that were created, modified, or deleted between "
                          "the time the first chunk was returned and now may show up in the list.");
      gone.metadata["continue"] = encode_mark({0, mark->start});
      return gone;
    }
    return select_page(found->all, found->at, *asked.kind, asked.ns, ask, mark->start);
  }
  if (ask.match == version_match::exact) {
    if (*ask.resource_version == 0)
      return invalid_options("ListOptions", {forbidden_value("resourceVersionMatch",
                             "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")});
    if (*ask.resource_version != head) {
      const auto found = std::find_if(kept_.begin(), kept_.end(),
                                      [&](const kept& k) { return k.kind == kind && k.at == *ask.resource_version; });
      if (found == kept_.end()) return expired("The resourceVersion for the provided list is too old.");
      return select_page(found->all, found->at, *asked.kind, asked.ns, ask);
    }
  }
  auto out = select_page(all, head, *asked.kind, asked.ns, ask);
  if (!out.continue_token.empty()) keep(kind, head, all, now);
  return out;
}

void kept_pages::keep(std::uint16_t kind, model::revision_number at, const model::snapshot& all, mono_time now) {
  for (auto& k : kept_)
    if (k.kind == kind && k.at == at) return void(k.since = now);
  if (kept_.size() >= snapshots_max) kept_.pop_front();
  kept_.push_back({kind, at, all, now});
}

void kept_pages::expire(mono_time now) {
  std::erase_if(kept_, [&](const kept& k) { return now - k.since > life; });
}

namespace {
struct sending : std::enable_shared_from_this<sending> {
  sending(net::http::exchange_ptr to_, rendering how, page what, list_pace pace_)
      : to(std::move(to_)), writer(std::move(how), std::move(what)), pace(pace_) {}
  void go() {
    while (to->open() && to->unsent() < pace.unsent_max) {
      std::string piece;
      if (!writer.next(piece, pace.piece_bytes)) {
        if (!piece.empty()) to->chunk(piece);
        return to->finish();
      }
      to->chunk(piece);
    }
    if (to->open()) to->on_drained([me = shared_from_this()] { me->go(); });
  }
  net::http::exchange_ptr to;
  list_writer writer;
  list_pace pace;
};
}  // namespace

void send_list(const net::http::exchange_ptr& to, const rendering& how, page what, list_pace pace) {
  list_writer writer(how, std::move(what));
  std::string first;
  const std::vector<std::string> warnings(how.warning.empty() ? 0 : 1, how.warning);
  if (!writer.next(first, pace.piece_bytes)) return respond_body(*to, 200, content_type(how.as), std::move(first), warnings);
  std::string second;
  const bool more = writer.next(second, pace.piece_bytes);
  if (!more) return respond_body(*to, 200, content_type(how.as), first + second, warnings);
  net::http::header_list head;
  head.add("content-type", content_type(how.as));
  head.add("cache-control", "no-cache, private");
  to->start(200, std::move(head));
  to->chunk(first);
  to->chunk(second);
  auto rest = std::make_shared<sending>(to, how, page{}, pace);
  rest->writer = std::move(writer);
  rest->go();
}

void respond_discovery(net::http::exchange& to, const discovery_reply& reply, std::string_view if_none_match) {
  net::http::response out;
  if (!reply.redirect_to.empty()) {
    out.status = 301;
    out.headers.add("location", reply.redirect_to);
    return to.respond(std::move(out));
  }
  if (!reply.etag.empty()) out.headers.add("etag", reply.etag);
  out.headers.add("vary", "Accept");
  if (reply.immutable) out.headers.add("cache-control", "public, immutable");
  if (!reply.etag.empty() && if_none_match == reply.etag) {
    out.status = 304;
    return to.respond(std::move(out));
  }
  out.headers.add("content-type", reply.content_type);
  out.body = bytes(reply.body);
  to.respond(std::move(out));
}

}  // namespace troupe::apiserver
