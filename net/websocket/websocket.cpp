#include "net/websocket/websocket.hpp"

#include <openssl/evp.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>

#include "net/websocket/mask_rule.hpp"

namespace troupe::net::websocket {
namespace {

constexpr std::string_view magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

std::string accept_key(std::string_view key) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const std::string text = std::string(key) + std::string(magic);
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return to_base64({reinterpret_cast<const char*>(digest), size});
}

/// Lives as long as any call of the stream or of wslay is on the way through it.
class core final : public stream_sink, public std::enable_shared_from_this<core> {
 public:
  core(shard& on, stream_ptr stream, role as, entropy& masks, std::size_t message_max)
      : shard_(on), stream_(std::move(stream)), masks_(masks), rule_(as == role::server) {
    wslay_event_callbacks calls{};
    calls.recv_callback = &core::pull;
    calls.send_callback = &core::push;
    calls.genmask_callback = &core::mask;
    calls.on_msg_recv_callback = &core::receive;
    wslay_event_context_ptr raw = nullptr;
    const int bad = as == role::server ? wslay_event_context_server_init(&raw, &calls, this)
                                       : wslay_event_context_client_init(&raw, &calls, this);
    CHECK_THAT(bad == 0);
    context_.reset(raw);
    wslay_event_config_set_max_recv_msg_length(raw, message_max);
  }

  void start(sink* to) {
    sink_ = to;
    stream_->start(this);
  }
  void send(bool binary, std::string_view data) {
    if (ended_) return;
    wslay_event_msg message{static_cast<std::uint8_t>(binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME),
                            reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
    wslay_event_queue_msg(context_.get(), &message);
    flush();
  }
  void ping() {
    if (ended_) return;
    wslay_event_msg message{WSLAY_PING, nullptr, 0};
    wslay_event_queue_msg(context_.get(), &message);
    flush();
  }
  void close(std::uint16_t code, std::string_view reason) {
    if (ended_) return;
    reason = reason.substr(0, 120);
    wslay_event_queue_close(context_.get(), code, reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size());
    flush();
    if (stream_) stream_->close();
  }
  /// The holder is gone: nothing is told any more, the stream is cut.
  void forget() {
    sink_ = nullptr;
    ended_ = true;
    if (busy_) shard_.post([me = shared_from_this()] { me->stream_.reset(); });
    else stream_.reset();
  }
  std::size_t unsent() const { return stream_ ? stream_->unsent() : 0; }
  void pause() { if (stream_) stream_->pause(); }
  void resume() { if (stream_) stream_->resume(); }

  void on_data(std::string_view data) override {
    const auto keep = shared_from_this();
    const in_use mark(*this);
    if (ended_) return;
    if (!rule_.follow(data)) {
      wslay_event_queue_close(context_.get(), WSLAY_CODE_PROTOCOL_ERROR, nullptr, 0);
      return violated();
    }
    in_ = data;
    while (!in_.empty() && !ended_) {
      const int bad = wslay_event_recv(context_.get());
      if (bad != 0) return violated();
      if (wslay_event_get_close_received(context_.get())) break;
      // wslay reports most violations only by reading no more; it would leave us here for ever.
      if (!wslay_event_get_read_enabled(context_.get())) return violated();
    }
    in_ = {};
    if (ended_) return;
    flush();
    if (wslay_event_get_close_received(context_.get()) && stream_) stream_->close();
  }
  void on_drained() override {
    const auto keep = shared_from_this();
    const in_use mark(*this);
    if (sink_) sink_->on_drained();
  }
  void on_closed(const error& why) override {
    const auto keep = shared_from_this();
    const in_use mark(*this);
    end(why);
  }

 private:
  struct in_use {
    explicit in_use(core& c) : of(c) { ++of.busy_; }
    ~in_use() { --of.busy_; }
    core& of;
  };

  void flush() {
    if (!stream_ || ended_) return;
    if (inside_receive_) return;  // wslay is in the middle of a frame; on_data flushes after it
    wslay_event_send(context_.get());
    if (!out_.empty()) {
      stream_->write(out_);
      out_.clear();
    }
  }
  /// wslay has queued the close frame that tells the peer its mistake.
  void violated() {
    in_ = {};
    if (ended_) return;
    flush();
    if (stream_) stream_->close();
    end({errc::invalid, "the peer broke the WebSocket protocol"});
  }
  void end(const error& why) {
    if (std::exchange(ended_, true)) return;
    if (auto* to = std::exchange(sink_, nullptr)) to->on_closed(why);
  }

  static core& of(void* user) { return *static_cast<core*>(user); }
  static ssize_t pull(wslay_event_context_ptr context, std::uint8_t* into, std::size_t size, int, void* user) {
    auto& me = of(user);
    if (me.in_.empty()) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    const auto n = std::min(size, me.in_.size());
    std::memcpy(into, me.in_.data(), n);
    me.in_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }
  static ssize_t push(wslay_event_context_ptr, const std::uint8_t* data, std::size_t size, int, void* user) {
    of(user).out_.append(reinterpret_cast<const char*>(data), size);
    return static_cast<ssize_t>(size);
  }
  static int mask(wslay_event_context_ptr, std::uint8_t* into, std::size_t size, void* user) {
    const auto drawn = of(user).masks_.draw(size);
    std::memcpy(into, drawn.data(), size);
    return 0;
  }
  static void receive(wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* got, void* user) {
    auto& me = of(user);
    if (!me.sink_) return;
    me.inside_receive_ = true;
    const std::string_view data(reinterpret_cast<const char*>(got->msg), got->msg_length);
    if (got->opcode == WSLAY_BINARY_FRAME || got->opcode == WSLAY_TEXT_FRAME)
      me.sink_->on_message(got->opcode == WSLAY_BINARY_FRAME, data);
    else if (got->opcode == WSLAY_PING) me.sink_->on_ping();
    else if (got->opcode == WSLAY_PONG) me.sink_->on_pong();
    me.inside_receive_ = false;
  }

  struct free_context {
    void operator()(wslay_event_context* c) const { wslay_event_context_free(c); }
  };
  shard& shard_;
  stream_ptr stream_;
  entropy& masks_;
  mask_rule rule_;
  std::unique_ptr<wslay_event_context, free_context> context_;
  sink* sink_ = nullptr;
  std::string_view in_;
  std::string out_;
  int busy_ = 0;
  bool inside_receive_ = false, ended_ = false;
};

class handle final : public connection {
 public:
  explicit handle(std::shared_ptr<core> c) : core_(std::move(c)) {}
  ~handle() override { core_->forget(); }
  void start(sink* to) override { core_->start(to); }
  void send(bool binary, std::string_view data) override { core_->send(binary, data); }
  void ping() override { core_->ping(); }
  void close(std::uint16_t code, std::string_view reason) override { core_->close(code, reason); }
  std::size_t unsent() const override { return core_->unsent(); }
  void pause() override { core_->pause(); }
  void resume() override { core_->resume(); }

 private:
  std::shared_ptr<core> core_;
};

bool is_key(std::string_view key) {
  std::string raw;
  return from_base64(key, raw) && raw.size() == 16;
}

}  // namespace

connection_ptr wrap(shard& on, stream_ptr stream, role as, entropy& masks, std::size_t message_max) {
  return std::make_unique<handle>(std::make_shared<core>(on, std::move(stream), as, masks, message_max));
}

bool is_upgrade(const http::request& ask) {
  return ask.method == "GET" && ask.headers.has_token("upgrade", "websocket") && ask.headers.has_token("connection", "upgrade") &&
         ask.headers.get("sec-websocket-version") == "13" && is_key(ask.headers.get("sec-websocket-key"));
}

connection_ptr accept(shard& on, const http::request& ask, http::exchange& answer, std::string_view protocol, entropy& masks) {
  http::header_list head;
  head.add("upgrade", "websocket");
  head.add("connection", "Upgrade");
  head.add("sec-websocket-accept", accept_key(ask.headers.get("sec-websocket-key")));
  if (!protocol.empty()) head.add("sec-websocket-protocol", protocol);
  auto stream = answer.upgrade(101, std::move(head));
  if (!stream) return nullptr;
  return wrap(on, std::move(stream), role::server, masks);
}

void connect(shard& on, http::client_connection& over, std::string_view host, std::string_view path,
             const http::header_list& extra, std::string_view protocol, duration patience, entropy& masks,
             callback<void(result<connection_ptr>)> done) {
  const std::string key = to_base64(masks.draw(16));
  http::request ask;
  ask.method = "GET";
  const auto mark = path.find('?');
  ask.path = std::string(path.substr(0, mark));
  if (mark != std::string_view::npos) ask.query = std::string(path.substr(mark + 1));
  for (const auto& [name, value] : extra.all()) ask.headers.add(name, value);
  ask.headers.add("upgrade", "websocket");
  ask.headers.add("connection", "Upgrade");
  ask.headers.add("sec-websocket-version", "13");
  ask.headers.add("sec-websocket-key", key);
  if (!protocol.empty()) ask.headers.add("sec-websocket-protocol", protocol);
  over.upgrade(ask, host, patience,
               [&on, &masks, key, done = std::move(done)](result<std::pair<http::response, stream_ptr>> got) {
                 if (!got.ok()) return done(result<connection_ptr>(got.why()));
                 auto& [head, stream] = *got;
                 if (head.headers.get("sec-websocket-accept") != accept_key(key))
                   return done(result<connection_ptr>(errc::invalid, "what answers does not speak WebSocket"));
                 done(result<connection_ptr>(wrap(on, std::move(stream), role::client, masks)));
               });
}

}  // namespace troupe::net::websocket
