// The worked cases of compressed models: ternary weights, low-rank factors, Pea-KD's labels and exchanged projections.
#include <cstdint>

#include "golden/loss_case.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/blocks/self_attention.hpp"
#include "limbeck/compress.hpp"
#include "limbeck/losses/teacher_predictions.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

struct three_values {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor weight = c.input("weight");
    const auto numbers = weight.as<A>();
    limbeck::ternary_options options{.factor = c.param("factor")};
    const std::string by = c.text("granularity");
    if (by == "tensor")
      options.by = limbeck::granularity::tensor;
    else if (by != "row")
      throw std::runtime_error("loss case " + c.name() + ": granularity " + by + " is not known");
    const index groups = by == "row" ? weight.rows() : 1;
    std::vector<A> out(numbers.size()), threshold(static_cast<std::size_t>(groups)), alpha(threshold.size());
    limbeck::ternarise(limbeck::cpu_executor<>{}, view<const A, 2>(numbers.data(), weight.rows(), weight.columns()),
                       view<A, 2>(out.data(), weight.rows(), weight.columns()), options,
                       view<A, 1>(threshold.data(), groups), view<A, 1>(alpha.data(), groups));
    return {{},
            {},
            {{"ternary", tensor(weight.shape, out)},
             {"threshold", tensor({groups}, threshold)},
             {"alpha", tensor({groups}, alpha)}}};
  }
};

struct thin_factors {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor weight = c.input("weight");
    const auto numbers = weight.as<A>();
    const auto row_weight = c.has_input("row_weight") ? c.input("row_weight").as<A>() : std::vector<A>{};
    const index rows = weight.rows(), columns = weight.columns(), rank = c.param("rank", 0);
    const limbeck::singular_decomposition found(view<const A, 2>(numbers.data(), rows, columns),
                                                view<const A, 1>(row_weight.data(), row_weight.size()));
    std::vector<A> left(static_cast<std::size_t>(rows * rank)), right(static_cast<std::size_t>(rank * columns));
    found.factors(rank, view<A, 2>(left.data(), rows, rank), view<A, 2>(right.data(), rank, columns));
    std::vector<A> product(numbers.size());
    for (std::size_t i = 0; i < product.size(); ++i)
      for (index k = 0; k < rank; ++k) {
        const index r = static_cast<index>(i) / columns, column = static_cast<index>(i) % columns;
        product[i] +=
            left[static_cast<std::size_t>(r * rank + k)] * right[static_cast<std::size_t>(k * columns + column)];
      }
    const std::vector<double> values(found.singular_values().begin(), found.singular_values().end());
    const tensor error({}, std::vector<double>{found.error(rank)});
    return {{},
            {},
            {{"approx", tensor(weight.shape, product)},
             {"singular_values", tensor({static_cast<index>(values.size())}, values)},
             {"frobenius_error", error},
             {"weighted_error", error}}};
  }
};

struct predictions_of_teachers {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor teacher = c.input("teacher"), given = c.input("labels");
    const auto logits = teacher.as<A>();
    const auto labels = given.as<std::int32_t>();
    std::vector<std::int32_t> out(labels.size());
    std::vector<A> confidence(labels.size());
    limbeck::ptp_labels(view<const A, 2>(logits.data(), teacher.rows(), teacher.columns()),
                        view<const std::int32_t, 1>(labels.data(), labels.size()),
                        {.correct = c.param("t_correct"), .wrong = c.param("t_wrong")},
                        view<std::int32_t, 1>(out.data(), out.size()),
                        view<A, 1>(confidence.data(), confidence.size()));
    return {{}, {}, {{"ptp_label", tensor(given.shape, out)}, {"confidence", tensor(given.shape, confidence)}}};
  }
};

// The file's weights are [in, out]; those of values and outputs do not matter.
struct scores_of_projections {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor x = c.input("x");
    const auto states = x.as<A>(), query_bias = c.input("bq").as<A>(), key_bias = c.input("bk").as<A>();
    const index samples = x.shape.at(0), length = x.shape.at(1), width = x.shape.at(2), heads = c.param("heads", 1);
    std::vector<A> qkv(static_cast<std::size_t>(3 * width * width)), bias(static_cast<std::size_t>(3 * width)),
        out(static_cast<std::size_t>(width * width)), y(states.size());
    const view<A, 2> weights(qkv.data(), 3 * width, width);
    const auto put = [&](const char* key, index which, const std::vector<A>& of_bias) {
      const auto weight = c.input(key).as<A>();
      for (index i = 0; i < width; ++i)
        for (index o = 0; o < width; ++o)
          weights(which * width + o, i) = weight.at(static_cast<std::size_t>(i * width + o));
      for (index o = 0; o < width; ++o)
        bias[static_cast<std::size_t>(which * width + o)] = of_bias.at(static_cast<std::size_t>(o));
    };
    put("wq", 0, query_bias);
    put("wk", 1, key_bias);
    std::vector<limbeck::sample_rows> rows;
    std::vector<limbeck::block> places;
    for (index b = 0; b < samples; ++b) {
      rows.push_back({b * length, length, length});
      places.push_back({b * heads * length * length, length});
    }
    const limbeck::batch_layout<> batch{view<const limbeck::sample_rows, 1>(rows.data(), rows.size()), samples * length,
                                        length};
    const auto scores = [&](bool exchanged) {
      const limbeck::self_attention<> layer{width, heads, exchanged};
      std::vector<A> map(static_cast<std::size_t>(samples * heads * length * length));
      limbeck::attention_maps<A> maps;
      maps.scores = {map.data(), heads, view<const limbeck::block, 1>(places.data(), places.size())};
      limbeck::arena memory;
      layer.forward(limbeck::cpu_executor<>{},
                    {view<const A, 2>(qkv.data(), 3 * width, width),
                     view<const A, 2>(out.data(), width, width),
                     view<const A, 1>(bias.data(), 3 * width),
                     {}},
                    batch, limbeck::pass_mode{}, 0, view<const A, 2>(states.data(), samples * length, width),
                    layer.keep<A>(memory, batch), maps, view<A, 2>(y.data(), samples * length, width));
      return tensor({samples, heads, length, length}, map);
    };
    return {{}, {}, {{"scores_plain", scores(false)}, {"scores_swapped", scores(true)}}};
  }
};

const bool compress_known = limbeck_test::runs_loss("ternarize", three_values{}) &&
                            limbeck_test::runs_loss("low_rank", thin_factors{}) &&
                            limbeck_test::runs_loss("weighted_low_rank", thin_factors{}) &&
                            limbeck_test::runs_loss("ptp_labels", predictions_of_teachers{}) &&
                            limbeck_test::runs_loss("sps_attention_scores", scores_of_projections{});

}  // namespace
