#include "actors/apiserver/carrying/node_proxy.hpp"

#include "actors/apiserver/respond.hpp"

namespace troupe::apiserver {
namespace {

/// Headers of an answer that are of one hop only.
bool is_carried_back(std::string_view name) {
  for (const std::string_view kept_back : {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})
    if (name == kept_back) return false;
  return true;
}

api_error unreachable(const proxy_config& config, const error& why) {
  return unavailable("error trying to reach " + std::string(config.to_pod ? "the pod on" : "the kubelet of") + " node " +
                     config.tls.server_name + ": " + why.text(), 0);
}

/// `then` gets the stream secured, or as it is.
void secure(const rt::world& in, const proxy_config& config, net::stream_ptr stream, net::tls::provider::secured then) {
  if (config.plain) return then(std::move(stream));
  auto context = in.tls->make_client(config.tls);
  if (!context.ok()) return then(context.why());
  in.tls->connect(*in.shard, std::move(stream), *context, std::move(then));
}

class proxied : public std::enable_shared_from_this<proxied> {
 public:
  proxied(const rt::world& in, proxy_config config, net::http::exchange_ptr to)
      : world_(in), config_(std::move(config)), to_(std::move(to)) {}

  void begin(net::stream_ptr stream, net::http::request ask) {
    ask_ = std::move(ask);
    secure(world_, config_, std::move(stream), [me = shared_from_this()](result<net::stream_ptr> got) {
      if (!got.ok()) return me->fail(got.why());
      me->ask(std::move(*got));
    });
  }

 private:
  void ask(net::stream_ptr stream) {
    connection_ = net::http::attach(*world_.shard, std::move(stream));
    to_->on_gone([me = weak_from_this()] {
      if (auto self = me.lock()) self->finish();
    });
    self_ = shared_from_this();   // until on_end, or until the client is gone
    net::http::answer_sink sink;
    sink.on_head = [this](int status, net::http::header_list headers) {
      net::http::header_list out;
      for (const auto& [name, value] : headers.all())
        if (is_carried_back(name)) out.add(name, value);
      started_ = true;
      to_->start(status, std::move(out));
    };
    sink.on_data = [this](std::string_view data) {
      to_->chunk(data);
      if (to_->unsent() > config_.unsent_max) hold_back();
    };
    sink.on_end = [this](result<void> end) {
      if (!end.ok() && !started_) fail(end.why());
      else if (!end.ok()) to_->abort();
      else to_->finish();
      world_.shard->post([me = std::move(self_)] {});  // we are inside our connection's call: die after it
    };
    connection_->send(ask_, config_.tls.server_name, config_.patience, std::move(sink));
  }

  void fail(const error& why) {
    if (to_->open()) respond_error(*to_, unreachable(config_, why));
  }
  /// The client is slower than the node: the node waits.
  void hold_back() {
    if (std::exchange(held_, true)) return;
    connection_->pause();
    to_->on_drained([me = weak_from_this()] {
      if (auto self = me.lock(); self && std::exchange(self->held_, false)) self->connection_->resume();
    });
  }
  void finish() { world_.shard->post([me = std::move(self_)] {}); }

  const rt::world& world_;
  proxy_config config_;
  net::http::exchange_ptr to_;
  net::http::request ask_;
  std::unique_ptr<net::http::client_connection> connection_;
  std::shared_ptr<proxied> self_;
  bool started_ = false, held_ = false;
};

/// What the node said instead of switching. Its Status as it is; other words in a Status of that code.
void pass_refusal(net::http::exchange& to, const proxy_config& config, int status, std::string why) {
  if (!to.open()) return;
  if (status == 0) return respond_error(to, unreachable(config, {errc::unavailable, std::move(why)}));
  const auto said = parse_json(why);
  if (said.ok() && text_or(dig(*said, "kind")) == "Status") return respond_body(to, status, "application/json", std::move(why));
  while (!why.empty() && why.back() == '\n') why.pop_back();
  api_error out = status == 404 ? no_such_path() : status == 503 ? unavailable(why, 0) : bad_request(why);
  out.code = status;
  out.message = std::move(why);
  if (status >= 500 && status != 503) out.reason = "InternalError";
  respond_error(to, out);
}

}  // namespace

void proxy_to_node(const rt::world& in, proxy_config config, net::stream_ptr stream, net::http::request ask, net::http::exchange_ptr to) {
  std::make_shared<proxied>(in, std::move(config), std::move(to))->begin(std::move(stream), std::move(ask));
}

void upgrade_at_node(const rt::world& in, proxy_config config, net::stream_ptr stream, net::http::request ask, net::http::exchange_ptr to) {
  secure(in, config, std::move(stream), [&in, config, ask = std::move(ask), to = std::move(to)](result<net::stream_ptr> got) mutable {
    if (!got.ok()) return respond_error(*to, unreachable(config, got.why()));
    net::http::carry_upgrade(*in.shard, std::move(*got), std::move(ask), config.tls.server_name, config.patience, to,
                             [config, to](int status, std::string why) { pass_refusal(*to, config, status, std::move(why)); });
  });
}

}  // namespace troupe::apiserver
