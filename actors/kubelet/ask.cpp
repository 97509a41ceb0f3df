#include "actors/kubelet/ask.hpp"

#include "actors/kubelet/probing/grpc_health.hpp"
#include "net/http/client.hpp"

namespace troupe::kubelet {
namespace {

constexpr std::size_t answer_bytes_max = 64 * 1024;

/// Lives as long as its callbacks do.
struct asking {
  const rt::world& in;
  handler_wish how;
  endpoint at;
  duration limit;
  callback<void(result<void>)> done;
  std::unique_ptr<net::http::client_connection> connection;
};
using asking_ptr = std::shared_ptr<asking>;

void send(const asking_ptr& one, net::stream_ptr on) {
  one->connection = net::http::attach(*one->in.shard, std::move(on));
  net::http::request ask;
  ask.method = "GET";
  const auto mark = one->how.path.find('?');
  ask.path = one->how.path.substr(0, mark);
  if (mark != std::string::npos) ask.query = one->how.path.substr(mark + 1);
  ask.headers.add("user-agent", "kube-probe/1.33");
  ask.headers.add("accept", "*/*");
  ask.headers.add("connection", "close");
  std::string host = to_string(one->at);
  for (const auto& [name, value] : one->how.headers) {
    if (name == "Host" || name == "host") host = value;
    else ask.headers.set(name, value);
  }
  net::http::fetch(*one->connection, ask, host, one->limit, [one](result<net::http::response> got) {
    // The connection goes only after its own callback is through.
    one->in.shard->post([connection = std::shared_ptr<net::http::client_connection>(std::move(one->connection))] {});
    if (!got.ok()) return one->done(got.why());
    if (got->status >= 200 && got->status < 400) return one->done({});
    one->done(fail(errc::refused, "HTTP probe failed with statuscode: " + std::to_string(got->status)));
  }, answer_bytes_max);
}

void secure(const asking_ptr& one, net::stream_ptr raw) {
  const net::tls::client_options with;   // trusts anybody: a probe asks whether it answers, not who it is
  auto context = one->in.tls->make_client(with);
  if (!context.ok()) return one->done(context.why());
  one->in.tls->connect(*one->in.shard, std::move(raw), *context, [one](result<net::stream_ptr> safe) {
    if (!safe.ok()) return one->done(safe.why());
    send(one, std::move(*safe));
  });
}

/// gRPC's own question, over a connection in the clear. Keeps itself until it has ended.
class health_asking : public net::stream_sink, public std::enable_shared_from_this<health_asking> {
 public:
  health_asking(asking_ptr one, net::stream_ptr on) : one_(std::move(one)), on_(std::move(on)) {}
  void begin() {
    self_ = shared_from_this();
    timer_ = one_->in.shard->after(one_->limit, [weak = weak_from_this()] {
      if (auto me = weak.lock()) me->end(fail(errc::timeout, "timeout: health rpc did not complete within its limit"));
    });
    on_->start(this);
    on_->write(health_question(to_string(one_->at), one_->how.service));
  }
  void on_data(std::string_view data) override {
    if (!self_) return;
    std::string reply;
    const auto verdict = answer_.feed(data, reply);
    if (!reply.empty()) on_->write(reply);
    if (verdict) end(*verdict);
  }
  void on_closed(const error& why) override { end(fail(errc::refused, "the server hung up: " + why.text())); }

 private:
  void end(const result<void>& what) {
    if (!self_) return;
    one_->in.shard->cancel(timer_);
    one_->done(what);
    one_->in.shard->post([gone = std::move(self_)] {});   // not inside the stream's own callback
    self_.reset();
  }
  asking_ptr one_;
  net::stream_ptr on_;
  health_answer answer_;
  net::timer_id timer_{};
  std::shared_ptr<health_asking> self_;
};

}  // namespace

void ask_over_network(const rt::world& in, const handler_wish& how, const endpoint& at, duration limit, callback<void(result<void>)> done) {
  auto one = std::make_shared<asking>(asking{in, how, at, limit, std::move(done), nullptr});
  in.shard->post([one] {
    one->in.dialer->dial(one->at, one->limit, [one](result<net::stream_ptr> raw) {
      if (!raw.ok()) return one->done(raw.why());
      if (one->how.what == handler_wish::kind::tcp) return one->done({});
      if (one->how.what == handler_wish::kind::grpc) return std::make_shared<health_asking>(one, std::move(*raw))->begin();
      one->how.scheme == "HTTPS" ? secure(one, std::move(*raw)) : send(one, std::move(*raw));
    });
  });
}

}  // namespace troupe::kubelet
