#include "storage/etcd/snapshot.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "net/rpc/digest.hpp"

namespace troupe::storage::etcd {
namespace {
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t page_bytes = 512;   // bbolt's file is a multiple of it; what is over is the digest.

class copy : public std::enable_shared_from_this<copy> {
 public:
  copy(rpc::loop& home, std::string path, engine::done finished)
      : home_(home), path_(std::move(path)), part_(path_ + ".part"), finished_(std::move(finished)) {}
  ~copy() {
    if (file_ >= 0) ::close(file_);
  }

  result<void> open() {
    struct stat seen {};
    if (::stat(path_.c_str(), &seen) == 0) return fail(errc::already_exists, path_ + " is there already");
    file_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return file_ >= 0 ? result<void>() : trouble(errno == ENOENT ? errc::not_found : errc::internal);
  }
  void start(std::unique_ptr<endpoint> from, duration limit) {
    from_ = std::move(from);
    own_ = std::make_unique<rpc::loop>("etcd-snapshot");
    own_->post([self = shared_from_this(), limit] {
      self->context_.set_deadline(rpc::timespan(limit));
      self->stream_ = self->from_->maintenance->PrepareAsyncSnapshot(&self->context_, pb::SnapshotRequest(), self->own_->queue());
      self->stream_->StartCall(self->own_->expect([self](bool ok) { ok ? self->read() : self->ended(); }));
    });
  }

 private:
  error trouble(errc code) const { return fail(code, part_ + ": " + std::strerror(errno)); }
  void read() {
    stream_->Read(&said_, own_->expect([self = shared_from_this()](bool ok) { self->heard(ok); }));
  }
  void heard(bool ok) {
    if (!ok) return ended();
    tail_ += said_.blob();
    if (tail_.size() > digest_bytes) {
      const std::string_view sure(tail_.data(), tail_.size() - digest_bytes);
      sum_.add(sure);
      if (auto put = write(sure); !put) {
        outcome_ = put;
        context_.TryCancel();
        return ended();
      }
      tail_.erase(0, sure.size());
    }
    read();
  }
  result<void> write(std::string_view what) {
    size_ += what.size();
    while (!what.empty()) {
      const auto put = ::write(file_, what.data(), what.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return trouble(errc::internal);
      what.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }
  void ended() {
    stream_->Finish(&status_, own_->expect([self = shared_from_this()](bool) { self->finish(); }));
  }
  result<void> whole() {
    if (!outcome_) return outcome_;
    if (!status_.ok()) return to_error(read_failure(status_), false);
    if (tail_.size() != digest_bytes || size_ % page_bytes != 0) return fail(errc::corrupt, "the snapshot is cut off");
    if (sum_.finish() != tail_) return fail(errc::corrupt, "the snapshot does not fit its digest");
    if (auto put = write(tail_); !put) return put;
    if (::fsync(file_) != 0) return trouble(errc::internal);
    if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0)
      return trouble(errno == EEXIST ? errc::already_exists : errc::internal);
    return {};
  }
  void finish() {
    auto what = whole();
    if (!what) ::unlink(part_.c_str());
    own_->stop();
    // The thread is joined where it was asked for, not by itself.
    home_.post([self = shared_from_this(), what = std::move(what)] {
      self->own_.reset();
      self->finished_(what);
    });
  }

  rpc::loop& home_;
  const std::string path_, part_;
  engine::done finished_;
  int file_ = -1;
  std::unique_ptr<rpc::loop> own_;
  std::unique_ptr<endpoint> from_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReader<pb::SnapshotResponse>> stream_;
  pb::SnapshotResponse said_;
  grpc::Status status_;
  rpc::digest sum_;
  std::string tail_;
  std::size_t size_ = 0;
  result<void> outcome_;
};
}  // namespace

void take_snapshot(rpc::loop& home, const std::string& url, const etcd_access& access, std::string path, duration limit,
                   engine::done finished) {
  auto from = make_endpoint(url, access);
  if (!from) return finished(from.why());
  struct shared {
    engine::done finished;
  };
  auto last = std::make_shared<shared>(shared{std::move(finished)});
  auto one = std::make_shared<copy>(home, std::move(path), [last](result<void> what) { last->finished(std::move(what)); });
  if (auto opened = one->open(); !opened) return last->finished(opened);
  one->start(std::move(*from), limit);
}

}  // namespace troupe::storage::etcd
