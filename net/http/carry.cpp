#include "net/http/carry.hpp"

#include <charconv>

#include "net/relay/relay.hpp"

namespace troupe::net::http {
namespace {

/// Of one hop (RFC 9110, 7.6.1), or credentials that were meant for us and not for the next.
bool stays_behind(std::string_view name) {
  for (const std::string_view kept_back : {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade",
                                           "proxy-authorization", "authorization", "host", "content-length"})
    if (name == kept_back) return true;
  return name.starts_with("impersonate-");
}

/// A client's notes of refusals begin with the status: "403: text".
std::pair<int, std::string> parts_of(const std::string& note) {
  int status = 0;
  const auto [end, bad] = std::from_chars(note.data(), note.data() + note.size(), status);
  const auto rest = note.substr(static_cast<std::size_t>(end - note.data()));
  if (bad != std::errc() || status < 100 || status > 599 || !rest.starts_with(": ")) return {0, note};
  return {status, rest.substr(2)};
}

/// Keeps a relay alive until it ends.
struct carried {
  std::unique_ptr<relay> over;
  std::shared_ptr<carried> self;
};

/// A connection to the server, for as long as it takes to answer.
struct asking {
  std::unique_ptr<client_connection> connection;
};

}  // namespace

bool wants_upgrade(const request& ask) { return ask.headers.has_token("connection", "upgrade") && ask.headers.find("upgrade") != nullptr; }

request carried_on(const request& ask, std::string_view path_and_query) {
  request out;
  out.method = ask.method;
  const auto mark = path_and_query.find('?');
  out.path = std::string(path_and_query.substr(0, mark));
  if (mark != std::string_view::npos) out.query = std::string(path_and_query.substr(mark + 1));
  if (out.path.empty()) out.path.assign(1, '/');
  for (const auto& [name, value] : ask.headers.all())
    if (!stays_behind(name)) out.headers.add(name, value);
  if (wants_upgrade(ask)) {
    out.headers.add("connection", "Upgrade");
    out.headers.add("upgrade", ask.headers.get("upgrade"));
  }
  out.body = ask.body;
  return out;
}

void splice_and_forget(shard& on, stream_ptr one, stream_ptr other) {
  auto both = std::make_shared<carried>();
  both->self = both;
  // Inside the relay's own call it must not die.
  both->over = splice(on, std::move(one), std::move(other), [&on, weak = std::weak_ptr(both)](error) {
    if (auto me = weak.lock()) on.post([gone = std::move(me->self)] {});
  });
}

void ask_upgrade(shard& on, stream_ptr server, const request& ask, std::string_view host, duration patience,
                 callback<void(response, stream_ptr)> switched, refusal refused) {
  auto waiting = std::make_shared<asking>();
  waiting->connection = attach(on, std::move(server));
  waiting->connection->upgrade(ask, host, patience,
      [&on, waiting, switched = std::move(switched), refused = std::move(refused)](result<std::pair<response, stream_ptr>> got) mutable {
        on.post([waiting] { waiting->connection.reset(); });   // we are inside its call
        if (got.ok()) return switched(std::move(got->first), std::move(got->second));
        auto [status, why] = parts_of(got.why().note.empty() ? got.why().text() : got.why().note);
        refused(status, std::move(why));
      });
}

void carry_upgrade(shard& on, stream_ptr server, request ask, std::string host, duration patience, exchange_ptr client, refusal refused) {
  ask_upgrade(on, std::move(server), ask, host, patience,
      [&on, client](response head, stream_ptr stream) {
        header_list out;
        for (const auto& [name, value] : head.headers.all())
          if (name != "content-length" && name != "date") out.add(name, value);
        auto towards_client = client->upgrade(head.status, std::move(out));
        if (towards_client) splice_and_forget(on, std::move(towards_client), std::move(stream));
      },
      std::move(refused));
}

}  // namespace troupe::net::http
