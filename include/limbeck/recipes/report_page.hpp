// The page of a report: one HTML file that needs nothing else, light or dark as the reader's system is, fit for paper.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/recipes/report_text.hpp"

namespace limbeck::report {
/// Colours of Okabe and Ito 2008 ("Color Universal Design"), which people who see colours otherwise can tell apart,
/// lighter where the page is dark.
inline constexpr const char* style = R"css(
:root{--paper:#f6f7f9;--card:#fff;--ink:#1c2126;--faint:#5b6570;--grid:#e3e6ea;--heat:#0072b2;
--c0:#0072b2;--c1:#d55e00;--c2:#00855f;--c3:#b0589a;--c4:#b07d00;--c5:#3b94cc;--c6:#6b6f00;--c7:#444c55}
@media screen and (prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1d2125;--ink:#e8eaed;--faint:#a3acb5;
--grid:#343a40;--heat:#0072b2;--c0:#5aa9dd;--c1:#f0813a;--c2:#2fbf93;--c3:#da8bc3;--c4:#e6b032;--c5:#9bd0f2;--c6:#c9cb4a;--c7:#c3c9cf}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","Liberation Sans","DejaVu Sans",sans-serif;overflow-wrap:break-word}
main{max-width:1240px;margin:0 auto;padding:1.2rem 1rem 3rem}
h1{font-size:1.5rem;margin:.2rem 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .3rem}
p{margin:.3rem 0;max-width:75ch}
.note,figcaption,summary,footer{color:var(--faint);font-size:.86rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.7rem;margin:1rem 0}
.tile,figure{background:var(--card);border:1px solid var(--grid);border-radius:8px;padding:.7rem .8rem;margin:0;min-width:0}
.tile b{display:block;overflow-wrap:anywhere;font-size:1.35rem;font-variant-numeric:tabular-nums}
.tile span{color:var(--faint);font-size:.82rem;display:block;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr));gap:.8rem;align-items:start}
figure h3{font-size:.95rem;margin:0 0 .3rem;overflow-wrap:anywhere}
figure>svg{display:block;width:100%;max-width:480px;height:auto;margin:0 auto}
svg text{font-size:11px;fill:var(--faint)}
.faint{opacity:.45}.pale-again{opacity:.5}
svg .end{text-anchor:end}svg .mid{text-anchor:middle}
svg .grid{stroke:var(--grid)}svg .axis{stroke:var(--faint)}svg .mark{stroke:var(--faint);stroke-dasharray:1 4}
.course{fill:none;stroke:currentColor;stroke-width:1.6;stroke-linejoin:round}.dashed{stroke-dasharray:5 3}
.band{fill:currentColor;opacity:.22;stroke:none}.range{stroke:currentColor;stroke-width:2}
.dot,.bar{fill:currentColor;stroke:var(--card);stroke-width:1}.hollow{fill:none;stroke:currentColor}
.frame{fill:none;stroke:currentColor;stroke-width:2}.heat{fill:var(--heat);stroke:var(--card)}
svg .pale{fill:var(--ink);text-anchor:middle}svg .full{fill:#fff;text-anchor:middle}
.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}
.c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}.c7{color:var(--c7)}
.legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:.82rem;margin:.3rem 0;padding:0;list-style:none}
.legend li{overflow-wrap:anywhere}.legend i{display:inline-block;width:.75em;height:.75em;border-radius:2px;background:currentColor;margin-right:.35em}
.legend span{color:var(--ink)}
details{margin-top:.4rem}summary{cursor:pointer}.scroll{overflow-x:auto;max-height:24rem;overflow-y:auto}
table{border-collapse:collapse;overflow-wrap:normal;font-size:.82rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.15rem .6rem;border-bottom:1px solid var(--grid);vertical-align:top}
tbody th{font-weight:500}.text,tbody th{text-align:left}
.wide table{background:var(--card);border:1px solid var(--grid);font-size:.88rem}.wide .scroll{max-height:none}
.settings td{white-space:pre-wrap;overflow-wrap:anywhere;font-family:ui-monospace,"Liberation Mono",monospace}
footer{margin-top:2.5rem}
@media print{body{background:#fff;font-size:11px}figure,.tile,tr{break-inside:avoid}.scroll{max-height:none;overflow:visible}h2{break-after:avoid}}
)css";

/// A drawing, what it shows, and its numbers as tables. `about` is escaped.
[[nodiscard]] inline std::string figure(std::string_view heading, const std::string& drawn, const std::string& about,
                                        const std::string& numbers = "") {
  std::string out = "<figure><h3>" + escaped(heading) + "</h3>" + drawn;
  if (!about.empty()) out += "<figcaption>" + about + "</figcaption>";
  if (!numbers.empty()) out += "<details><summary>Numbers</summary>" + numbers + "</details>";
  return out + "</figure>\n";
}

/// A drawing as a file of its own.
[[nodiscard]] inline std::string image(std::string drawn) {
  constexpr std::string_view element = "<svg ";
  drawn.insert(element.size(), "xmlns=\"http://www.w3.org/2000/svg\" width=\"510\" ");
  drawn.insert(drawn.find('>') + 1,
               "<style>" + std::string(style) +
                   "svg{background:var(--card);font-family:system-ui,\"Liberation Sans\",sans-serif}</style>");
  return drawn + "\n";
}

/// Which colour stands for what.
[[nodiscard]] inline std::string legend(const std::vector<std::pair<std::string, std::string>>& kinds_and_words) {
  std::string out = "<ul class=\"legend\">";
  for (const auto& [kind, words] : kinds_and_words)
    out += "<li class=\"" + kind + "\"><i></i><span>" + escaped(words) + "</span></li>";
  return out + "</ul>";
}

/// A number that the page begins with, and what it is.
[[nodiscard]] inline std::string tile(std::string_view what, const std::string& shown, std::string_view more = "") {
  return "<div class=\"tile\"><span>" + escaped(what) + "</span><b>" + escaped(shown) + "</b><span>" + escaped(more) +
         "</span></div>";
}

/// A heading, a sentence, and what stands below; nothing where there is nothing. `note` is escaped.
[[nodiscard]] inline std::string section(std::string_view heading, const std::string& note, const std::string& inside,
                                         std::string_view kind = "figures") {
  if (inside.empty()) return "";
  return "<section><h2>" + escaped(heading) + "</h2><p class=\"note\">" + note + "</p><div class=\"" +
         std::string(kind) + "\">" + inside + "</div></section>\n";
}

/// The whole file. The policy in its head keeps a browser from loading or running anything, whatever the page says.
/// `data`: the numbers of the page, for programs.
[[nodiscard]] inline std::string page(std::string_view title, const std::string& body, const json& data) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
         escaped(title) + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<main>\n" + body +
         "</main>\n<script type=\"application/json\" id=\"data\">" + script_json(data) +
         "</script>\n</body>\n</html>\n";
}

}  // namespace limbeck::report
