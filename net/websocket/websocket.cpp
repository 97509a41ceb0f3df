#include "net/websocket/websocket.hpp"

#include <openssl/evp.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>

#include "net/websocket/frames.hpp"

namespace troupe::net::websocket {
namespace {

constexpr std::string_view magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

constexpr std::size_t record_bytes = 16 * 1024;  // plain bytes of a full TLS record
constexpr std::size_t masks_at_once = 16;

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
      : shard_(on), stream_(std::move(stream)), masks_(masks), from_client_(as == role::server), message_max_(message_max), course_(from_client_) {
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
  void send_parts(std::string_view head, std::string_view body) {
    // wslay's queue is empty but inside its own calls: what waits there goes first.
    if (body.size() < long_frame_min || inside_receive_ || wslay_event_want_write(context_.get())) return send(true, std::string(head).append(body));
    if (ended_ || !stream_ || wslay_event_get_close_sent(context_.get()) || !wslay_event_get_write_enabled(context_.get())) return;
    // One pass: what a TLS record takes is put together and masked where it stays in the processor's cache, and nothing is kept.
    std::array<char, record_bytes> record;
    const auto size = head.size() + body.size();
    mask_key key{};
    if (!from_client_) key = next_mask();
    auto filled = write_long_head(record.data(), size, from_client_ ? nullptr : &key);
    std::size_t at = 0;
    const auto put = [&](std::string_view& from) {
      const auto n = std::min(from.size(), record.size() - filled);
      if (n == 0) return;   // an empty head has no address
      if (from_client_) std::memcpy(record.data() + filled, from.data(), n);
      else apply_mask(from.data(), record.data() + filled, n, key, at);
      from.remove_prefix(n);
      filled += n;
      at += n;
    };
    put(head);
    while (stream_) {
      put(body);
      stream_->write({record.data(), filled});
      if (body.empty()) return;
      filled = 0;
    }
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
    while (!data.empty() && !ended_) {
      if (long_left_ > 0) {
        data.remove_prefix(take_long(data));
      } else if (const auto head = long_head_of(data)) {
        data.remove_prefix(head->bytes);
        begin_long(*head);
      } else if (!hand_to_wslay(data)) {
        break;
      }
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

  // --- the short way ---------------------------------------------------------------------------

  std::optional<long_head> long_head_of(std::string_view data) const {
    if (!course_.between_messages() || !wslay_event_get_read_enabled(context_.get())) return std::nullopt;
    return read_long_head(data, from_client_, message_max_);
  }
  void begin_long(const long_head& head) {
    long_head_ = head;
    long_left_ = head.length;
    if (!sink_) return;
    long_ = std::make_unique_for_overwrite<char[]>(head.length);
  }
  std::size_t take_long(std::string_view data) {
    const auto n = std::min(long_left_, data.size()), at = long_head_.length - long_left_;
    if (long_) apply_mask(data.data(), long_.get() + at, n, long_head_.mask, at);
    long_left_ -= n;
    if (long_left_ > 0) return n;
    const auto whole = std::move(long_);
    if (sink_ && whole) sink_->on_message(true, {whole.get(), long_head_.length});
    return n;
  }
  /// The rest of the frame at hand, as far as it is there. False when nothing more is to be read.
  bool hand_to_wslay(std::string_view& data) {
    const auto n = course_.follow(data);
    if (course_.broken()) {
      wslay_event_queue_close(context_.get(), WSLAY_CODE_PROTOCOL_ERROR, nullptr, 0);
      return violated(), false;
    }
    in_ = data.substr(0, n);
    data.remove_prefix(n);
    while (!in_.empty() && !ended_) {
      if (wslay_event_recv(context_.get()) != 0) return violated(), false;
      if (wslay_event_get_close_received(context_.get())) return false;
      // wslay reports most violations only by reading no more; it would leave us here for ever.
      if (!wslay_event_get_read_enabled(context_.get())) return violated(), false;
    }
    return true;
  }

  /// Drawn some at a time: each draw is a call into the kernel.
  mask_key next_mask() {
    mask_key key;
    if (drawn_.empty()) drawn_ = masks_.draw(key.size() * masks_at_once);
    std::memcpy(key.data(), drawn_.data() + drawn_.size() - key.size(), key.size());
    drawn_.resize(drawn_.size() - key.size());
    return key;
  }

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
    const auto key = of(user).next_mask();
    CHECK_THAT(size == key.size());
    std::memcpy(into, key.data(), size);
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
  const bool from_client_;              ///< We are the server: what comes is masked, what goes is not.
  const std::size_t message_max_;
  frame_course course_;                 ///< Of what wslay reads.
  long_head long_head_;
  std::unique_ptr<char[]> long_;
  std::size_t long_left_ = 0;           ///< Of a frame on the short way.
  std::unique_ptr<wslay_event_context, free_context> context_;
  sink* sink_ = nullptr;
  std::string_view in_;
  std::string out_, drawn_;
  int busy_ = 0;
  bool inside_receive_ = false, ended_ = false;
};

class handle final : public connection {
 public:
  explicit handle(std::shared_ptr<core> c) : core_(std::move(c)) {}
  ~handle() override { core_->forget(); }
  void start(sink* to) override { core_->start(to); }
  void send(bool binary, std::string_view data) override { binary ? core_->send_parts({}, data) : core_->send(binary, data); }
  void send_parts(std::string_view head, std::string_view body) override { core_->send_parts(head, body); }
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
