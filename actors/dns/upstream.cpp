#include "actors/dns/upstream.hpp"

#include <algorithm>

#include "actors/dns/framing.hpp"

namespace troupe::dns {
namespace {

/// One TCP conversation: the question is sent, the answer's bytes come.
class conversation final : public net::stream_sink {
 public:
  conversation(net::stream_ptr stream, std::function<bool(std::string_view)> hear, std::function<void()> over) : stream_(std::move(stream)), hear_(std::move(hear)), over_(std::move(over)) { stream_->start(this); }
  void say(std::string_view packet) { stream_->write(framed(packet)); }
  void on_data(std::string_view data) override { frames_.take(data, hear_); }
  void on_closed(const error&) override { over_(); }

 private:
  net::stream_ptr stream_;
  std::function<bool(std::string_view)> hear_;
  std::function<void()> over_;
  unframer frames_;
};

}  // namespace

std::vector<endpoint> nameservers_of(std::string_view text, const std::vector<std::string>& not_these) {
  constexpr std::size_t servers_max = 3;
  std::vector<endpoint> out;
  while (!text.empty() && out.size() < servers_max) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    line.resize(std::min({line.find('#'), line.find(';'), line.size()}));
    if (!line.starts_with("nameserver") || line.size() < 12 || (line[10] != ' ' && line[10] != '\t')) continue;
    const auto begin = line.find_first_not_of(" \t", 10);
    if (begin == line.npos) continue;
    auto host = line.substr(begin, line.find_first_of(" \t\r", begin) - begin);
    if (is_ip_address(host) && std::ranges::find(not_these, host) == not_these.end()) out.push_back({std::move(host), 53});
  }
  return out;
}

struct upstream::question {
  std::string name;
  std::uint16_t type = 0, id = 0;
  bool by_tcp = false, settled = false;
  unsigned tries = 0;
  std::size_t server = 0;
  std::vector<answered> waiting;
  net::timer_id timer = 0;
  std::unique_ptr<net::datagram_socket> socket;
  std::unique_ptr<conversation> stream;
  endpoint asked;
  std::string why = "no server answered";
};

upstream::upstream(net::shard& on, net::datagrams& by, net::dialer& dialer, entropy& chance, upstream_config config)
    : shard_(on), by_(by), dialer_(dialer), chance_(chance), config_(config) {}

upstream::~upstream() {
  for (auto& [key, q] : questions_) {
    q->settled = true;
    if (q->timer) shard_.cancel(q->timer);
    q->socket.reset();
    q->stream.reset();
  }
}

void upstream::use(std::vector<endpoint> servers) { servers_ = std::move(servers); }

void upstream::ask(const std::string& name, std::uint16_t type, bool by_tcp, answered done) {
  const std::pair key{name, static_cast<std::uint32_t>(type) << 1 | (by_tcp ? 1u : 0u)};
  // Also what keeps a circle of servers that ask each other from growing: our own question, come back, waits with the first.
  if (const auto same = questions_.find(key); same != questions_.end()) return same->second->waiting.push_back(std::move(done));
  auto fresh = std::make_shared<question>();
  fresh->waiting.push_back(std::move(done));
  const char* no = servers_.empty() ? "this node knows no DNS server outside of the cluster" : questions_.size() >= config_.questions_max ? "too many questions wait for servers outside" : nullptr;
  if (no) {
    const auto code = servers_.empty() ? errc::unavailable : errc::overloaded;
    return shard_.post([fresh, code, no] { fresh->waiting.front()(fail(code, no)); });
  }
  fresh->name = name;
  fresh->type = type;
  fresh->by_tcp = by_tcp;
  questions_.emplace(key, fresh);
  attempt(fresh);
}

void upstream::attempt(const question_ptr& q) {
  if (q->settled) return;
  q->socket.reset();
  q->stream.reset();
  if (q->tries++ >= config_.tries_max || servers_.empty()) return settle(q, fail(errc::timeout, q->why));
  q->asked = servers_[q->server++ % servers_.size()];
  const auto drawn = chance_.draw(2);
  q->id = static_cast<std::uint16_t>(static_cast<unsigned char>(drawn[0]) << 8 | static_cast<unsigned char>(drawn[1]));
  q->timer = shard_.after(config_.try_limit, [this, q] {
    q->timer = 0;
    q->why = to_string(q->asked) + " did not answer";
    attempt(q);
  });
  q->by_tcp ? attempt_tcp(q, q->asked) : attempt_udp(q, q->asked);
}

void upstream::attempt_udp(const question_ptr& q, const endpoint& to) {
  const bool six = to.host.find(':') != std::string::npos;
  // A socket for each question: its port is drawn by the kernel.
  auto socket = by_.open({six ? "::" : "0.0.0.0", 0}, [this, weak = std::weak_ptr(q), to](const endpoint& from, std::string_view data) {
    const auto q = weak.lock();
    if (q && !q->settled && from == to) hear(q, data);
  });
  if (!socket.ok()) return void(q->why = socket.why().note);   // the timer goes on
  q->socket = std::move(*socket);
  q->socket->send(to, write_query(q->id, q->name, q->type));
}

void upstream::attempt_tcp(const question_ptr& q, const endpoint& to) {
  dialer_.dial(to, config_.try_limit, [this, weak = std::weak_ptr(q), round = q->tries](result<net::stream_ptr> got) {
    const auto q = weak.lock();
    if (!q || q->settled || q->tries != round) return;
    if (!got.ok()) return void(q->why = got.why().note);
    const auto hear_it = [this, weak, round](std::string_view message) {
      const auto q = weak.lock();
      if (!q || q->settled || q->tries != round) return false;
      // Not from inside the stream, which ends with the answer.
      shard_.post([this, weak, text = std::string(message)] {
        if (const auto q = weak.lock(); q && !q->settled) hear(q, text);
      });
      return false;
    };
    q->stream = std::make_unique<conversation>(std::move(*got), hear_it, [] {});
    q->stream->say(write_query(q->id, q->name, q->type));
  });
}

// Whatever does not fit the question is somebody's guess, and is not heard.
void upstream::hear(const question_ptr& q, std::string_view packet) {
  auto got = read_reply(packet);
  if (!got.ok() || got->id != q->id || got->name != q->name || got->type != q->type || got->of_class != class_in) return;
  const bool unfit = got->code == rcode::server_failure || got->code == rcode::refused || got->code == rcode::not_implemented;
  if (unfit && q->tries < config_.tries_max && servers_.size() > 1) {
    q->why = to_string(q->asked) + " could not answer";
    shard_.cancel(std::exchange(q->timer, 0));
    return shard_.post([this, weak = std::weak_ptr(q)] {
      if (const auto q = weak.lock()) attempt(q);
    });
  }
  settle(q, std::move(*got));
}

void upstream::settle(const question_ptr& q, result<reply> out) {
  if (std::exchange(q->settled, true)) return;
  if (q->timer) shard_.cancel(std::exchange(q->timer, 0));
  questions_.erase({q->name, static_cast<std::uint32_t>(q->type) << 1 | (q->by_tcp ? 1u : 0u)});
  // Sockets go when their callback is through.
  shard_.post([q] { q->socket.reset(), q->stream.reset(); });
  for (const auto& done : std::exchange(q->waiting, {})) done(out);
}

}  // namespace troupe::dns
