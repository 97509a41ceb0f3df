#include "net/http/prefixed.hpp"

namespace troupe::net::http {
namespace {

class prefixed final : public stream {
 public:
  prefixed(shard& on, stream_ptr inner, std::string first) : shard_(on), inner_(std::move(inner)), first_(std::move(first)) {}
  void start(stream_sink* sink) override {
    sink_ = sink;
    if (first_.empty()) return inner_->start(sink);
    if (sink_) wake();
  }
  void write(std::string_view data) override { inner_->write(data); }
  void write(const bytes& data) override { inner_->write(data); }
  std::size_t unsent() const override { return inner_->unsent(); }
  void pause() override {
    paused_ = true;
    if (first_.empty()) inner_->pause();
  }
  void resume() override {
    paused_ = false;
    if (first_.empty()) inner_->resume();
    else if (sink_) wake();
  }
  void close() override { inner_->close(); }
  const peer_identity& peer() const override { return inner_->peer(); }
  endpoint local_address() const override { return inner_->local_address(); }
  endpoint remote_address() const override { return inner_->remote_address(); }

 private:
  void wake() {
    shard_.post([this, alive = std::weak_ptr(alive_)] {
      if (alive.expired() || paused_ || first_.empty() || !sink_) return;
      const auto data = std::exchange(first_, {});
      auto* sink = sink_;
      inner_->start(sink);       // before the sink is called: it may end us
      sink->on_data(data);
    });
  }
  shard& shard_;
  stream_ptr inner_;
  std::string first_;
  stream_sink* sink_ = nullptr;
  bool paused_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

stream_ptr with_prefix(shard& on, stream_ptr inner, std::string first) {
  if (first.empty()) return inner;
  return std::make_unique<prefixed>(on, std::move(inner), std::move(first));
}

}  // namespace troupe::net::http
