<?php
// A page as a blog's: what is written to it is in the database when it answers, and it shows what it has.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$db = new mysqli(null, "root", "", "site", 0, "/run/mysqld/mysqld.sock");
if (isset($_GET["post"])) {
    $insert = $db->prepare("INSERT INTO posts (number, node) VALUES (?, ?)");
    $insert->execute([(int)$_GET["post"], gethostname()]);
}
$count = $db->query("SELECT COUNT(*) FROM posts")->fetch_row()[0];
echo "<!doctype html><title>$count posts</title><h1>", gethostname(), "</h1>";
if (isset($_GET["post"])) {
    echo "<p>kept ", (int)$_GET["post"], "</p>";
}
