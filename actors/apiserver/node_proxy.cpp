#include "actors/apiserver/node_proxy.hpp"

#include "actors/apiserver/respond.hpp"

namespace troupe::apiserver {
namespace {

/// Hop-by-hop headers, and the credentials that were meant for us and not for the node.
bool is_carried(std::string_view name) {
  for (const std::string_view kept_back : {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade",
                                           "proxy-authorization", "authorization", "host", "content-length"})
    if (name == kept_back) return false;
  return true;
}

class proxied : public std::enable_shared_from_this<proxied> {
 public:
  proxied(const rt::world& in, proxy_config config, net::http::exchange_ptr to)
      : world_(in), config_(std::move(config)), to_(std::move(to)) {}

  void begin(net::stream_ptr stream, net::http::request ask) {
    ask_ = std::move(ask);
    auto context = world_.tls->make_client(config_.tls);
    if (!context.ok()) return fail(context.why());
    world_.tls->connect(*world_.shard, std::move(stream), *context, [me = shared_from_this()](result<net::stream_ptr> got) {
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
        if (is_carried(name)) out.add(name, value);
      started_ = true;
      to_->start(status, std::move(out));
    };
    sink.on_data = [this](std::string_view data) {
      to_->chunk(data);
      if (to_->unsent() > config_.unsent_max) cut_ = true;
    };
    sink.on_end = [this](result<void> end) {
      if (!end.ok() && !started_) fail(end.why());
      else if (!end.ok() || cut_) to_->abort();
      else to_->finish();
      world_.shard->post([me = std::move(self_)] {});  // we are inside our connection's call: die after it
    };
    connection_->send(ask_, config_.tls.server_name, config_.patience, std::move(sink));
  }

  void fail(const error& why) {
    if (to_->open())
      respond_error(*to_, unavailable("error trying to reach the kubelet of node " + config_.tls.server_name + ": " + why.text(), 0));
  }
  void finish() { world_.shard->post([me = std::move(self_)] {}); }

  const rt::world& world_;
  proxy_config config_;
  net::http::exchange_ptr to_;
  net::http::request ask_;
  std::unique_ptr<net::http::client_connection> connection_;
  std::shared_ptr<proxied> self_;
  bool started_ = false, cut_ = false;
};

}  // namespace

void proxy_to_node(const rt::world& in, proxy_config config, net::stream_ptr stream, const net::http::request& ask,
                   std::string path_and_query, net::http::exchange_ptr to) {
  net::http::request out;
  out.method = ask.method;
  const auto mark = path_and_query.find('?');
  out.path = path_and_query.substr(0, mark);
  if (mark != std::string::npos) out.query = path_and_query.substr(mark + 1);
  if (out.path.empty()) out.path = "/";
  for (const auto& [name, value] : ask.headers.all())
    if (is_carried(name)) out.headers.add(name, value);
  out.body = ask.body;
  std::make_shared<proxied>(in, std::move(config), std::move(to))->begin(std::move(stream), std::move(out));
}

}  // namespace troupe::apiserver
