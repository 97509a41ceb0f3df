#include "net/rpc/channel.hpp"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <string_view>

namespace troupe::net::rpc {
namespace {
int milliseconds(duration what) { return static_cast<int>(what / 1ms); }

/// gRPC's own spelling, which keeps addresses away from any resolver; empty when `at` is not host:port.
std::string target_of(std::string_view at) {
  const auto colon = at.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == at.size()) return {};
  if (at.substr(colon + 1).find_first_not_of("0123456789") != std::string_view::npos) return {};
  const std::string host(at.substr(0, colon));
  if (host.find('/') != std::string::npos) return {};
  in_addr four{};
  if (host.front() == '[') return "ipv6:" + std::string(at);
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return "ipv4:" + std::string(at);
  return host.find(':') == std::string::npos ? "dns:///" + std::string(at) : std::string();
}

grpc::ChannelArguments arguments_of(const channel_options& with) {
  grpc::ChannelArguments out;
  out.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  out.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  out.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  out.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  out.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(with.connect_limit));
  out.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds(with.reconnect_first));
  out.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, milliseconds(with.reconnect_max));
  out.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(with.ping_every));
  out.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(with.ping_limit));
  out.SetMaxReceiveMessageSize(with.message_bytes_max);
  return out;
}

template <auto Free>
struct freeing {
  template <class T>
  void operator()(T* what) const {
    Free(what);
  }
};

/// When the first certificate of `pem` is not valid at `now`: why; "unreadable" when there is none.
std::string trouble_of(const std::string& pem, wall_time now) {
  const std::unique_ptr<BIO, freeing<BIO_free>> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const std::unique_ptr<X509, freeing<X509_free>> read(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  if (!read) return "our certificate cannot be read";
  auto at = static_cast<std::time_t>(now.time_since_epoch() / 1s);
  if (X509_cmp_time(X509_get0_notAfter(read.get()), &at) < 0) return "our certificate has expired";
  if (X509_cmp_time(X509_get0_notBefore(read.get()), &at) > 0) return "our certificate is not valid yet";
  return {};
}
}  // namespace

std::string explained(const std::string& note, const std::string& url, const channel_options& with, wall_time now) {
  if (!url.starts_with("https://") || note.find("certificate") != std::string::npos) return note;
  if (with.certificate.empty()) return note + " (we have shown no certificate)";
  if (const auto own = trouble_of(with.certificate, now); !own.empty()) return note + " (" + own + ")";
  const bool hung_up = note.find("read failed") != std::string::npos || note.find("reset by peer") != std::string::npos ||
                       note.find("Socket closed") != std::string::npos;
  return hung_up ? note + " (the other side may not accept our certificate)" : note;
}

result<std::shared_ptr<grpc::Channel>> make_channel(const std::string& url, const channel_options& with) {
  const auto bad = [&url](const char* why) { return fail(errc::invalid, "endpoint \"" + url + "\": " + why); };
  if (url.starts_with("unix:///"))
    return grpc::CreateCustomChannel("unix:" + url.substr(7), grpc::InsecureChannelCredentials(), arguments_of(with));
  const bool secure = url.starts_with("https://");
  if (!secure && !url.starts_with("http://")) return bad("it begins with neither https://, http:// nor unix:///");
  std::string_view rest(url);
  rest.remove_prefix(secure ? 8 : 7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const auto target = target_of(rest);
  if (target.empty()) return bad("it is not host:port");
  if (!secure) return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments_of(with));
  if (with.ca.empty()) return bad("https needs the certificate of an authority");
  if (with.certificate.empty() != with.key.empty()) return bad("a certificate and its key come together");
  return grpc::CreateCustomChannel(target, grpc::SslCredentials({with.ca, with.key, with.certificate}), arguments_of(with));
}

}  // namespace troupe::net::rpc
