<?php
// A payment the way a small PHP container takes it: log the request, store the transaction, answer. Kept lean on
// purpose: a connection that lives on, one round trip per statement, one transaction.
function answer(string $txnId, int $result, string $comment, string $number = '', string $sum = ''): never
{
    $paid = $result === 0 ? "<prv_txn>$number</prv_txn>\n<sum>$sum</sum>\n" : '';
    header('Content-Type: text/xml; charset=utf-8');
    echo "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<response>\n<osmp_txn_id>", htmlspecialchars($txnId),
        "</osmp_txn_id>\n$paid<result>$result</result>\n<comment>$comment</comment>\n</response>";
    exit;
}

$txnId = $_GET['txn_id'] ?? '';
$account = $_GET['account'] ?? '';
$sum = $_GET['sum'] ?? '';
if (($_GET['command'] ?? '') !== 'pay' || !preg_match('/^\d{1,20}$/', $txnId) || $account === ''
    || !preg_match('/^\d{1,12}\.\d{2}$/', $sum) || !preg_match('/^\d{14}$/', $_GET['txn_date'] ?? '')) {
    answer('', 300, 'Provider error');
}

try {
    $db = new PDO(getenv('BENCH_DSN'), null, null, [
        PDO::ATTR_PERSISTENT => true,
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::PGSQL_ATTR_DISABLE_PREPARES => true,
    ]);
    $db->beginTransaction();
    $db->prepare('INSERT INTO php_http_log (ip, url, method, headers, body) VALUES (?, ?, ?, ?, ?)')->execute([
        $_SERVER['REMOTE_ADDR'], $_SERVER['REQUEST_URI'], $_SERVER['REQUEST_METHOD'],
        json_encode(getallheaders()), file_get_contents('php://input'),
    ]);
    $insert = $db->prepare('INSERT INTO php_transaction (account, code, sum, status) VALUES (?, ?, ?, 0)
        ON CONFLICT (code) DO UPDATE SET code = excluded.code RETURNING id');
    $insert->execute([$account, $txnId, $sum]);
    $number = (string) $insert->fetchColumn();
    $db->commit();
} catch (PDOException $error) {
    error_log($error->getMessage());
    answer($txnId, 90, 'Payment is being processed');
}
answer($txnId, 0, 'OK', $number, $sum);
