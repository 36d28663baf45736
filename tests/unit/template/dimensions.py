"""The dimensions by which AWS's services tell their metrics apart."""

OF_SERVICE = {
    "AWS/SQS": {"QueueName"},
    "AWS/Lambda": {"FunctionName"},
    "AWS/States": {"StateMachineArn"},
    "AWS/ApiGateway": {"ApiName", "Stage"},
    "AWS/ES": {"DomainName", "ClientId"},
}
