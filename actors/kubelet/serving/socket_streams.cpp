#include "actors/kubelet/serving/socket_streams.hpp"

#include <array>

namespace troupe::kubelet {
namespace {

enum channel : unsigned char { stdin_channel = 0, stdout_channel = 1, stderr_channel = 2, error_channel = 3, resize_channel = 4, close_channel = 255 };
constexpr std::uint16_t normal_closure = 1000, internal_error = 1011;

class bridge final : public net::spdy::session_sink, public std::enable_shared_from_this<bridge> {
 public:
  explicit bridge(net::shard& on) : shard_(on), ear_(this) {}

  void begin(const open_pod_stream& what, net::websocket::connection_ptr client, net::stream_ptr runtime) {
    self_ = shared_from_this();
    client_ = std::move(client);
    runtime_ = net::spdy::attach(shard_, std::move(runtime), *this);
    // The runtime waits for all of them before it begins; upstream's clients open them in this order.
    open(error_channel, "error", true);
    open(stdin_channel, "stdin", what.in);
    open(stdout_channel, "stdout", what.out);
    open(stderr_channel, "stderr", what.err && !what.terminal);
    open(resize_channel, "resize", what.terminal);
    client_->start(&ear_);
  }

  // --- of the runtime ---
  void on_drained() override { look_drained(); }
  void on_closed(const error&) override { finish(judged_ ? normal_closure : internal_error, judged_ ? "" : "the container runtime ended the stream"); }
  void on_data(std::uint32_t stream, std::string_view data) override {
    if (over_) return;
    judged_ = judged_ || stream == streams_[error_channel];
    for (const auto which : {stdout_channel, stderr_channel, error_channel})
      if (streams_[which] == stream) send(which, data);
    if (client_->unsent() > socket_unsent_max && !std::exchange(runtime_held_, true)) runtime_->pause();
  }
  void on_end(std::uint32_t stream) override {
    if (over_) return;
    for (auto& one : streams_)
      if (one == stream) one = 0;
    // The verdict comes last; output may still be on its way on other streams.
    if (streams_[error_channel] == 0 && streams_[stdout_channel] == 0 && streams_[stderr_channel] == 0) finish(normal_closure, "");
  }

 private:
  struct client_ear final : net::websocket::sink {
    explicit client_ear(bridge* o) : owner(o) {}
    void on_message(bool, std::string_view data) override { owner->take_message(data); }
    void on_drained() override { owner->look_drained(); }
    void on_closed(const error&) override { owner->finish(0, ""); }
    bridge* owner;
  };

  void take_message(std::string_view data) {
    if (data.empty() || over_) return;
    const auto which = static_cast<unsigned char>(data.front());
    data.remove_prefix(1);
    if (which == close_channel) {
      if (data.size() == 1 && data.front() == stdin_channel) end_input();
      return;
    }
    if ((which != stdin_channel && which != resize_channel) || streams_[which] == 0 || data.empty()) return;
    if (which == stdin_channel && input_ended_) return;
    runtime_->write(streams_[which], data);
    if (runtime_->unsent() > socket_unsent_max && !std::exchange(client_held_, true)) client_->pause();
  }
  void look_drained() {   // Whichever side was slow: both are asked.
    if (over_) return;
    if (client_held_ && runtime_->unsent() < net::stream::low_water) client_held_ = false, client_->resume();
    if (runtime_held_ && client_->unsent() < net::stream::low_water) runtime_held_ = false, runtime_->resume();
  }
  void open(channel which, const char* name, bool wanted) {
    if (!wanted) return;
    streams_[which] = runtime_->open({{"streamtype", name}});
    // Nothing is said on what the runtime only writes.
    if (which == error_channel || which == stdout_channel || which == stderr_channel) runtime_->write(streams_[which], "", true);
  }
  void end_input() {
    if (streams_[stdin_channel] != 0 && !std::exchange(input_ended_, true)) runtime_->write(streams_[stdin_channel], "", true);
  }
  void send(channel which, std::string_view data) {
    message_.assign(1, static_cast<char>(which)).append(data);
    client_->send(true, message_);
  }
  /// 0: the other side is gone, nothing is said.
  void finish(std::uint16_t code, std::string_view why) {
    if (std::exchange(over_, true)) return;
    if (code != 0) client_->close(code, why);
    // We are inside a call of one of them; the client may still take what was said.
    shard_.post([me = self_] { me->runtime_.reset(); });
    shard_.after(code == 0 ? duration(0) : duration(std::chrono::seconds(5)), [me = std::move(self_)] { me->client_.reset(); });
  }

  net::shard& shard_;
  client_ear ear_;
  net::websocket::connection_ptr client_;
  std::unique_ptr<net::spdy::session> runtime_;
  std::array<std::uint32_t, 5> streams_{};   ///< By channel; 0: not wanted, or ended.
  std::string message_;
  bool input_ended_ = false, client_held_ = false, runtime_held_ = false, judged_ = false, over_ = false;
  std::shared_ptr<bridge> self_;
};

}  // namespace

void bridge_streams(net::shard& on, const open_pod_stream& what, net::websocket::connection_ptr client, net::stream_ptr runtime) {
  std::make_shared<bridge>(on)->begin(what, std::move(client), std::move(runtime));
}

}  // namespace troupe::kubelet
