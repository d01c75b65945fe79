//! The words by which page furniture is known. A table: every entry is folded (lower case, Simplified characters,
//! half width), so that one spelling covers both Chinese scripts.

/// Whole lines, compared without surrounding marks.
pub(super) const NAVIGATION_LINES: &[&str] = &[
    "home", "menu", "main menu", "search", "log in", "login", "sign in", "sign up", "register", "my account", "skip to content",
    "skip to main content", "skip to navigation", "back to top", "top of page", "next", "previous", "next article", "previous article",
    "next page", "previous page", "older posts", "newer posts", "about us", "contact us", "privacy policy", "terms of use",
    "terms of service", "terms and conditions", "cookie policy", "cookie settings", "accept all cookies", "site map", "sitemap", "rss",
    "print", "print this article", "print this page", "in this article", "table of contents", "on this page", "read full story",
    "show more", "load more", "see more", "view all", "see all", "close", "listen to this article", "listen", "play", "toggle navigation",
    "首页", "返回首页", "登录", "注册", "登录/注册", "搜索", "菜单", "导航", "返回顶部", "回到顶部", "回顶部", "上一篇", "下一篇", "上一页", "下一页",
    "查看全文", "阅读全文", "阅读原文", "展开全文", "查看更多", "更多", "加载更多", "关于我们", "联系我们", "隐私政策", "隐私条款", "使用条款",
    "服务条款", "网站地图", "打印", "字号", "字体大小", "简体", "繁体", "目录", "本文目录", "打开app", "听新闻", "收听本文",
];

/// Beginnings of short lines.
pub(super) const NAVIGATION_STARTS: &[&str] = &[
    "you are here:", "home >", "home »", "home ›", "home /", "首页>", "首页 >", "当前位置", "您的位置", "你的位置", "您现在的位置", "上一篇:",
    "下一篇:", "copyright ©", "copyright (c)", "©", "(c) 19", "(c) 20", "all rights reserved", "版权所有", "this site uses cookies",
    "we use cookies", "icp备", "京icp", "沪icp", "粤icp", "skip to",
];

/// Anywhere in a short line.
pub(super) const NAVIGATION_PARTS: &[&str] = &["all rights reserved", "版权所有", "icp备", "未经授权不得转载", "未经许可不得转载", "请勿转载"];

/// Whole lines.
pub(super) const SHARE_LINES: &[&str] = &[
    "share", "share this", "share this article", "share this story", "share this page", "share on facebook", "share on twitter",
    "share on x", "share on linkedin", "share via email", "tweet", "retweet", "pin it", "facebook", "twitter", "x", "linkedin",
    "whatsapp", "telegram", "reddit", "pinterest", "wechat", "weibo", "email", "e-mail", "copy link", "copy url", "link copied", "follow",
    "follow us", "like", "like this", "save", "save article", "save this story", "bookmark", "comments", "leave a comment",
    "view comments", "post a comment", "add a comment", "no comments", "share save", "分享", "分享到", "分享至", "分享文章", "分享本文",
    "分享到微信", "微信", "微博", "新浪微博", "朋友圈", "复制链接", "收藏", "点赞", "赞", "评论", "转发", "举报", "关注", "关注我们", "发表评论", "写评论",
    "我来说两句", "扫一扫", "扫码分享", "微信扫一扫", "脸书", "推特",
];

/// Beginnings of short lines.
pub(super) const SHARE_STARTS: &[&str] = &[
    "share on ", "share this ", "share via ", "share:", "follow us on ", "follow us:", "follow @", "like us on ", "find us on ", "分享到",
    "分享至", "分享:", "用微信扫", "微信扫码分享", "扫描二维码分享",
];

/// Beginnings of the labels of tag lists.
pub(super) const TAG_LABELS: &[&str] = &[
    "tags:", "tags", "tag:", "keywords:", "key words:", "topics:", "filed under", "labels:", "categories:", "category:", "more on:",
    "标签:", "标签", "相关标签", "文章标签", "关键词:", "关键字:", "关键词", "关键字", "相关话题", "话题:", "分类:",
];

/// Whole lines.
pub(super) const ADVERT_LINES: &[&str] = &[
    "advertisement", "advertising", "ad", "ads", "sponsored", "sponsored content", "promoted", "promoted content", "paid content",
    "paid post", "story continues below advertisement", "article continues below advertisement", "article continues after advertisement",
    "continue reading below", "scroll to continue", "subscribe", "subscribe now", "subscribe today", "sign up for free", "newsletter",
    "newsletters", "download the app", "get the app", "广告", "推广", "赞助", "赞助内容", "广告赞助", "下载app", "下载客户端", "立即下载", "立即订阅",
    "订阅", "免费订阅", "点击下载",
];

/// Beginnings of short lines and of short paragraphs.
pub(super) const ADVERT_STARTS: &[&str] = &[
    "advertisement -", "sponsored by", "sponsored:", "subscribe to ", "subscribe for ", "subscribe now", "sign up for our", "sign up to our",
    "sign up for the ", "sign up here", "get our newsletter", "get the latest", "get our free", "join our newsletter", "join our channel",
    "join our mailing", "download our app", "download the ", "already a subscriber", "become a member", "support our journalism",
    "support independent journalism", "start your free trial", "try it free", "click here to ", "want more stories like this",
    "enjoying this article", "扫码下载", "扫码关注", "扫描二维码", "扫描下方二维码", "长按二维码", "长按识别", "关注公众号", "关注我们的", "欢迎关注",
    "欢迎订阅", "点击订阅", "点击下载", "立即下载", "下载我们的", "下载app", "点击查看更多", "更多精彩内容", "更多精彩资讯", "海量资讯", "广告:", "本文由广告",
];

/// Words of marketing: two of them in a short paragraph at the page's end are an advert.
pub(super) const ADVERT_PARTS: &[&str] = &[
    "free trial", "limited offer", "limited time", "special offer", "% off", "subscribe", "our newsletter", "your inbox", "download our",
    "app store", "google play", "promo code", "coupon", "sign up", "no credit card", "cancel anytime", "unlimited access", "order now",
    "为您提供", "为你提供", "助您", "助你", "让您", "让你", "全方位", "个性化", "智能助手", "ai辅助", "免费试用", "限时优惠", "优惠码", "立即体验", "扫码",
    "二维码", "公众号", "点击下载", "应用商店", "精准推荐", "一键", "专业模板", "新版本",
];

/// Headings that open a disclaimer.
pub(super) const DISCLAIMER_HEADINGS: &[&str] = &[
    "disclaimer", "disclaimers", "legal notice", "legal disclaimer", "important notice", "important information", "disclosure",
    "disclosures", "risk warning", "risk disclosure", "risk disclaimer", "风险提示", "风险提示及免责条款", "风险提示及免责声明", "免责声明",
    "免责条款", "风险警示", "风险揭示", "特别声明", "版权声明", "重要声明", "重要提示", "法律声明",
];

/// Beginnings of disclaimers that carry their label in the same line.
pub(super) const DISCLAIMER_STARTS: &[&str] = &[
    "disclaimer:", "disclosure:", "legal notice:", "risk warning:", "important notice:", "免责声明:", "风险提示:", "特别声明:", "版权声明:",
    "声明:", "郑重声明", "免责条款:", "重要声明:",
];

/// What disclaimers say: two of these in a paragraph make one, one is enough below a disclaimer's heading.
pub(super) const DISCLAIMER_PARTS: &[&str] = &[
    "investment advice", "financial advice", "legal advice", "medical advice", "not constitute", "informational purposes",
    "information purposes", "for general information", "own risk", "no liability", "not liable", "accepts no responsibility",
    "no responsibility", "not responsible for", "past performance", "do your own research", "consult a", "seek professional",
    "solely those of the author", "do not necessarily reflect", "does not necessarily reflect", "without warranty", "no warranty",
    "accuracy or completeness", "accuracy, completeness", "offer to buy or sell", "solicitation", "may not be reproduced",
    "without permission", "affiliate", "holds no position", "不构成", "投资建议", "投资需谨慎", "投资有风险", "市场有风险", "入市有风险",
    "风险自担", "后果自负", "责任自负", "概不负责", "不承担", "不负责任", "仅供参考", "仅代表作者", "不代表本", "不代表平台", "据此操作", "据此投资", "据此入市",
    "自行承担", "未考虑到个别", "未经授权", "禁止转载", "请联系删除", "侵权", "版权归", "转载请注明", "真实性", "准确性",
];

/// Labels of e-mail, telephone and address lines.
pub(super) const CONTACT_STARTS: &[&str] = &[
    "contact:", "contact us:", "contact us at", "e-mail:", "email:", "email us", "mail:", "tel:", "tel.:", "telephone:", "phone:", "fax:", "write to us",
    "media contact", "press contact", "联系邮箱", "联系电话", "联系方式", "联系我们:", "联系人", "邮箱:", "电子邮箱", "电邮:", "电话:", "传真:", "微信号:",
    "客服电话", "客服热线", "投稿邮箱", "投稿:", "爆料", "商务合作", "合作邮箱", "举报邮箱", "地址:",
];

/// Headings of lists of other articles.
pub(super) const RELATED_HEADINGS: &[&str] = &[
    "related", "related articles", "related article", "related stories", "related news", "related posts", "related content",
    "related topics", "related coverage", "read more", "read next", "read also", "also read", "more stories", "more news", "more from us",
    "more on this story", "more on this topic", "more like this", "you may also like", "you might also like", "you may like",
    "recommended", "recommended for you", "recommended stories", "recommended reading", "further reading", "trending", "trending now",
    "most read", "most popular", "popular", "popular now", "popular stories", "latest", "latest news", "latest stories", "top stories",
    "editor's picks", "editors' picks", "don't miss", "up next", "what to read next", "from around the web", "相关文章", "相关新闻", "相关阅读",
    "相关报道", "相关推荐", "相关资讯", "相关链接", "推荐阅读", "推荐文章", "推荐新闻", "猜你喜欢", "延伸阅读", "扩展阅读", "更多阅读", "更多新闻", "更多报道",
    "更多文章", "热门文章", "热门新闻", "热门推荐", "热点新闻", "热文", "最新文章", "最新新闻", "最新消息", "精彩推荐", "为您推荐", "为你推荐", "大家都在看",
    "你可能感兴趣", "您可能感兴趣", "你可能也喜欢", "排行榜", "今日热点", "看更多",
];

/// Beginnings of single lines that lead to another article.
pub(super) const RELATED_STARTS: &[&str] = &[
    "read more:", "read also:", "also read:", "see also:", "read next:", "related:", "related story:", "related article:", "more:",
    "watch:", "watch now:", "recommended:", "more from ", "don't miss:", "相关阅读:", "延伸阅读:", "相关报道:", "推荐阅读:", "更多:", "另见:", "相关新闻:",
];

/// Beginnings of byline, source and credit lines; what follows the label is a name.
pub(super) const CREDIT_LABELS: &[&str] = &[
    "作者", "撰文", "撰稿", "文", "文字", "采写", "采访", "编辑", "责编", "责任编辑", "编译", "编译整理", "整理", "翻译", "校对", "审校", "审核", "监制", "主编",
    "来源", "文章来源", "稿源", "出处", "图", "图片", "图源", "图片来源", "摄影", "封面", "题图", "记者", "本报记者", "特约记者", "通讯员", "实习记者", "出品",
    "发布时间", "发布日期", "更新时间", "最后更新", "时间", "日期", "author", "authors", "written by", "reporting by", "editing by",
    "edited by", "additional reporting by", "translated by", "source", "sources", "photo", "photo by", "photo credit", "photos by", "image", "image credit",
    "credit", "published", "published on", "posted", "posted on", "updated", "last updated", "last modified", "date", "publisher",
];

/// Those of [`CREDIT_LABELS`] that name the writer.
pub(super) const AUTHOR_LABELS: &[&str] = &["作者", "撰文", "撰稿", "文", "采写", "记者", "本报记者", "author", "authors", "written by", "reporting by"];

/// Labels with which pages announce a machine's summary.
pub(super) const SUMMARY_LABELS: &[&str] = &[
    "portai", "ai summary", "ai-generated summary", "ai generated summary", "ai overview", "ai-powered summary", "summary by ai",
    "summarized by ai", "summarised by ai", "generated by ai", "ai takeaways", "ai key takeaways", "ai digest", "ai摘要", "ai总结", "ai速览",
    "ai速读", "ai导读", "ai概要", "ai概括", "ai解读", "ai提炼", "智能摘要", "智能总结", "ai智能摘要", "ai智能总结", "ai生成摘要", "ai自动摘要", "机器摘要",
    "摘要由ai生成", "以下摘要由ai生成", "以下内容由ai生成", "ai要点", "ai一分钟", "ai帮你读",
];

/// How abstracts speak of the article that they stand above.
pub(super) const ABSTRACT_PHRASES: &[&str] = &[
    "文章重点介绍", "文章介绍", "文章还提到", "文章提到", "文章指出", "文章强调", "文章讨论", "文章分析", "文章探讨", "本文介绍", "本文讨论", "本文探讨", "本文分析",
    "本文重点", "文中提到", "文章主要", "本文主要", "该文章", "该报道", "the article discusses", "the article describes", "the article highlights", "the article reports",
    "the article explains", "this article discusses", "the article also", "the piece describes", "the report highlights",
];
